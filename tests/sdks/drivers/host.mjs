// Runs drivers for the Python side: one JSON line in names the driver and where to send, one JSON line out says what
// happened. Chromium starts with the first driver that opens a page and stays until stdin ends, so that what a closed
// page left in flight is still delivered.
import { createInterface } from "node:readline";
import "./noting.js";
import { Pages } from "./pages.mjs";

const pages = new Pages(process.argv[2]);

/** Run one driver; answers its report. */
async function run({ driver, api, key, ...also }) {
  const report = { called: [], problems: [], traffic: [] };
  const noted = (name) => report.called.push(name);
  for (const level of ["log", "info", "warn", "error"]) {
    console[level] = (...args) => report.problems.push(`console.${level}: ${args.join(" ")}`);
  }
  globalThis.noted = noted;
  const { default: drive } = await import(`./${driver}.mjs`);
  const open = (html, options) => pages.open(html, { ...options, api, noted, report });
  const arrived = (count) => wait(`${api}/_mock/sessions/${key}/wait`, count);
  const problem = (text) => report.problems.push(text);
  report.notes = (await drive({ ...also, api, key, open, arrived, quiet: () => quiet(api), problem })) ?? {};
  return report;
}

/** Come back when that many events of the session have been accepted. */
async function wait(url, count) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ count, timeout_ms: 10_000 }) });
  const { satisfied, reason } = await answer.json();
  if (!satisfied) throw new Error(`${count} events did not arrive: ${reason}`);
}

/** Come back when requests came to the session that the path of the URL names, and then none for a while. */
async function quiet(api) {
  const [, server, session] = api.match(/^(.*)\/_mock\/s\/([^/]+)$/);
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ for: "requests", match: { verdict: "any" }, quiet_ms: 300, timeout_ms: 20_000 });
  const answer = await fetch(`${server}/_mock/sessions/${session}/wait`, { method: "POST", headers, body });
  const { satisfied, explanation } = await answer.json();
  if (!satisfied) throw new Error(explanation);
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line)).catch((error) => ({ failure: error.stack }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await pages.close();
