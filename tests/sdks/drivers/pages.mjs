// Pages in headless Chromium, on an origin of their own (http://localhost:<port>) and never the API's.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const flags = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--host-resolver-rules=MAP *.test 127.0.0.1, MAP rebound 127.0.0.1",
  "--no-first-run",
  "--no-sandbox",
];
const imports = {
  "@outlit/browser": "/node_modules/@outlit/browser/dist/index.mjs",
  "@outlit/core": "/node_modules/@outlit/core/dist/index.mjs",
  "@whisperr/web": "/node_modules/@whisperr/web/dist/index.js",
  "whisperr-web-0.1.0": "/node_modules/whisperr-web-0.1.0/dist/index.js",
};

const shell = (html) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pricing – Brightdesk</title>
<link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
${html}
</html>`;

export class Pages {
  #executablePath;
  #browser;
  #server;
  #html = "";

  constructor(executablePath) {
    this.#executablePath = executablePath;
  }

  /**
   * A fresh visitor on a page with this content, at any path of the origin.
   *
   * With `heldClock` the page's time moves only by `page.clock.runFor`, so that what an SDK sends by the clock does
   * not depend on how fast this machine is. What goes wrong, and what is sent to the API, lands in the report.
   */
  async open(html, { path = "/", heldClock = false, api, noted, report }) {
    await this.#start();
    this.#html = shell(html);
    const context = await this.#browser.newContext({ locale: "en-US", timezoneId: "UTC" });
    await context.exposeFunction("noted", noted);
    await context.addInitScript({ path: here("noting.js") });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    await watch(page, api, report);
    if (heldClock) {
      const now = Date.now();
      await page.clock.install({ time: now - 60_000 }); // it runs from here, and can be held at a later moment only
      await page.clock.pauseAt(now);
    }
    await page.goto(`http://localhost:${this.#server.address().port}${path}`);
    return page;
  }

  async close() {
    await this.#browser?.close();
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #start() {
    this.#browser ??= await chromium.launch({ executablePath: this.#executablePath, args: flags });
    this.#server ??= await new Promise((listening) => {
      const server = createServer((request, response) => this.#serve(request, response));
      server.listen(0, "localhost", () => listening(server));
    });
  }

  async #serve({ url }, response) {
    const isModule = url.startsWith("/node_modules/");
    const body = isModule ? await readFile(here(`..${url}`)) : this.#html;
    response.writeHead(200, { "content-type": isModule ? "text/javascript" : "text/html; charset=utf-8" }).end(body);
  }
}

/** Note in the report what the page complains about, and what it sends to the API, preflights and beacons included. */
async function watch(page, api, { problems, traffic }) {
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) problems.push(`console.${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.stack}`));
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  const kinds = new Map();
  cdp.on("Network.requestWillBeSent", ({ requestId, request, type }) => {
    if (!request.url.startsWith(api)) return;
    const kind = request.method === "OPTIONS" ? "Preflight" : type;
    kinds.set(requestId, kind);
    traffic.push(kind);
  });
  cdp.on("Network.responseReceived", ({ requestId, response }) => {
    if (response.status >= 400) problems.push(`${kinds.get(requestId)} answered ${response.status}: ${response.url}`);
  });
  cdp.on("Network.loadingFailed", ({ requestId, errorText }) => {
    if (kinds.has(requestId)) problems.push(`${kinds.get(requestId)} failed: ${errorText}`);
  });
}
