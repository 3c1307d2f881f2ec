// Opens HTML files in headless Chromium, light and dark, wide and narrow: what axe finds, what is wider than the window, what the
// page asked for, and what the browser said about it. Arguments: node_modules, the browser, files. Prints JSON.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules, browserPath, ...files] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)('playwright-core');
const axe = readFileSync(`${modules}/axe-core/axe.min.js`, 'utf8');
const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
/** Pixels of CSS across a page of A4 within its margins. */
const PAPER = 718;
const results = [];
for (const file of files) {
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const said = [];
      const asked = [];
      const plain = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      plain.on('console', (message) => said.push(message.text()));
      plain.on('pageerror', (error) => said.push(String(error)));
      plain.on('dialog', (dialog) => said.push(dialog.message()));
      plain.on('request', (request) => asked.push(request.url()));
      await plain.goto(pathToFileURL(file).href);
      const wider = await plain.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      const inner = await plain.evaluate(() => [document.scripts.length, document.images.length, document.body.innerText]);
      await plain.setViewportSize({ width: PAPER, height: 900 });
      await plain.emulateMedia({ media: 'print' });
      await plain.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const onPaper = await plain.evaluate((width) => [
        [...document.querySelectorAll('details > :not(summary)')].filter((part) => !part.checkVisibility({ contentVisibilityAuto: true })).length,
        [...document.querySelectorAll('table')].filter((table) => table.getBoundingClientRect().right > width).length,
      ], PAPER);
      await plain.close();
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      await page.goto(pathToFileURL(file).href);
      await page.evaluate((text) => document.querySelectorAll('details').forEach((each) => (each.open = true)));
      await page.addScriptTag({ content: axe });
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
      results.push({ file, width, colorScheme, found, wider, onPaper, said, asked: asked.length, scripts: inner[0], images: inner[1], text: inner[2] });
      await context.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify(results));
