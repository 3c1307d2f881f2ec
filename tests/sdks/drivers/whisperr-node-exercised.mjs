// A program that uses @whisperr/node as an app would: two flushes with a pause between them, and a shutdown at the end.
import { createWhisperr } from "@whisperr/node";

const PAUSE_MS = 3500; // longer than the pause after which a rule takes a request for a flush of its own
const { MOCKSERVER_URL: url, MOCKSERVER_KEY: apiKey } = process.env;
const [, server, session] = url.match(/^(.*)\/_mock\/s\/([^/]+)$/);

const client = createWhisperr({ apiKey, baseUrl: url });
client.track("user_1", "trial_started");
client.track("user_1", "plan_chosen", { plan: "pro" });
await client.flush();
await fetch(`${server}/_mock/sessions/${session}/wait`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ for: "requests", match: { verdict: "any" }, quiet_ms: PAUSE_MS, timeout_ms: 60_000 }),
});
client.track("user_2", "trial_started");
client.identify("user_2", { traits: { plan: "pro" }, email: "ada@acme.example" });
await client.flush();
await client.shutdown();
