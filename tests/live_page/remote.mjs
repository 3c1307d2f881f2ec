// Lets the Python side drive pages: one JSON line in names a page and a method of Playwright's Page with its arguments,
// one JSON line out has what it returned. Chromium ends when stdin does.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"] });
const pages = new Map();

/** What is not a method of a page. */
const own = {
  async open(name, options) {
    await own.add(name, await browser.newContext(options));
  },
  /** Open a page in the context of another one, with which it shares connections. */
  openBeside: (name, other) => own.add(name, pages.get(other).page.context()),
  async add(name, context) {
    const page = await context.newPage();
    const problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("dialog", (dialog) => {
      problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    pages.set(name, { page, problems });
  },
  problems: (name) => pages.get(name).problems.splice(0),
  close: (name) => pages.get(name).page.context().close(),
  /** Wait until a function returns true: it is called now, and whenever something has changed on the page. */
  waitFor: (name, text, value) => pages.get(name).page.evaluate(changed(text), value),
  /** Run axe in a world of its own: the policy of the page lets nobody else's scripts run in it. */
  async axe(name) {
    const { page } = pages.get(name);
    const client = await page.context().newCDPSession(page);
    const world = async (expression, awaitPromise = false) => {
      const { result, exceptionDetails } = await client.send("Runtime.evaluate", { expression, awaitPromise, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    await world(axe);
    const found = await world("axe.run(document).then((r) => ({ checked: r.passes.length, violations: r.violations }))", true);
    return { checked: found.checked, violations: found.violations.map((v) => [v.id, ...v.nodes.map((n) => n.html.slice(0, 200))]) };
  },
};

/** Return a function for the page that waits; it is made here, since the policy of the page allows no `eval`. */
const changed = (condition) =>
  new Function(
    "value",
    `return new Promise((resolve, reject) => {
      const condition = ${condition};
      const look = async () => (await condition(value)) && resolve(null);
      new MutationObserver(look).observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
      document.addEventListener("focusin", look);
      AbortSignal.timeout(20_000).addEventListener("abort", () => reject(new Error("it never came true")));
      look().catch(reject);
    })`,
  );

async function run({ page: name, method, args }) {
  if (method in own) return own[method](name, ...args);
  const path = method.split(".");
  let holder = pages.get(name).page;
  for (const part of path.slice(0, -1)) holder = holder[part];
  const result = await holder[path.at(-1)](...args);
  return ["evaluate", "textContent", "getAttribute", "inputValue", "title", "url"].includes(path.at(-1)) ? result : null;
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await run(JSON.parse(line)).then((value) => ({ value: value ?? null }), (error) => ({ failure: String(error) }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
await browser.close();
