// @whisperr/web on a page, as an app would use it: two flushes with a pause between them, then the page is closed. Its
// clock is the real one, as the pauses between attempts are judged.
const PAUSE_MS = 3500; // longer than the pause after which a rule takes a request for a flush of its own

export default async function ({ api, key, open, quiet }) {
  const [, server, session] = api.match(/^(.*)\/_mock\/s\/([^/]+)$/);
  const page = await open("<h1>Pricing</h1>", { path: "/pricing" });
  await page.evaluate(
    async ({ api, key }) => {
      const { Whisperr } = await import("@whisperr/web");
      window.whisperr = Whisperr.init({ apiKey: key, baseUrl: api, onError: () => {} });
      window.whisperr.track("trial_started");
      window.whisperr.track("plan_chosen", { plan: "pro" });
      await window.whisperr.flush();
    },
    { api, key },
  );
  await fetch(`${server}/_mock/sessions/${session}/wait`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ for: "requests", match: { verdict: "any" }, quiet_ms: PAUSE_MS, timeout_ms: 60_000 }),
  });
  await page.evaluate(async () => {
    window.whisperr.identify("user_2", { traits: { plan: "pro" }, email: "ada@acme.example" });
    window.whisperr.track("trial_started");
    await window.whisperr.flush();
  });
  await page.close();
  await quiet();
}
