// A page in headless Chromium that sends to its own host and to the APIs in every way a browser can; Playwright records it.
// Arguments: the path of Chromium, the base URL of the server, the file to write.
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const [executablePath, api, path] = process.argv.slice(2);
const server = createServer((request, response) => {
  response.setHeader("content-type", request.url === "/" ? "text/html" : "application/json");
  response.end(request.url === "/" ? "<h1>Pricing</h1>" : "{}");
}).listen(0);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({ recordHar: { path, content: "embed" } });
const page = await context.newPage();
await page.goto(`http://localhost:${server.address().port}/`);
const replies = ["users", "batch", "events", "events"].map((end) => page.waitForResponse((reply) => reply.url().endsWith(end)));
await page.evaluate(async (api) => {
  const json = { "content-type": "application/json" };
  const pageview = { type: "pageview", url: "https://a.example/", path: "/", timestamp: Date.now() };
  const text = JSON.stringify({ visitorId: crypto.randomUUID(), source: "client", events: [pageview] });
  const named = JSON.stringify({
    events: [{ external_user_id: "ü", event_type: "Bad Name", context: { $message_id: "m-1" } }],
  });
  await fetch("/api/users", { method: "POST", headers: json, body: "{}" });
  const reply = await fetch(`${api}/v1/events/batch`, { method: "POST", headers: { ...json, "x-api-key": "wrk_1" }, body: named });
  await reply.text(); // a body that nobody reads may be missing in the recording
  navigator.sendBeacon(`${api}/api/i/v1/pk_1/events`, text);
  const blob = new Blob([text], { type: "application/json" });
  await fetch(`${api}/api/i/v1/pk_1/events`, { method: "POST", body: blob, keepalive: true });
}, api);
await Promise.all(replies);
await context.close();
await browser.close();
server.close();
