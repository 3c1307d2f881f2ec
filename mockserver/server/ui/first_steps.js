// What to do first, with the address of this server filled in: shown until a request has arrived. The clients are in the
// contracts.

import { call } from "./api.js";
import { copy } from "./clipboard.js";
import { element, fill } from "./dom.js";
import { printable, printableLines } from "./text.js";

/** @typedef {{title: string, text: string, code: string}} Client */

/**
 * Show the first steps in a box, once.
 *
 * @param {HTMLElement} box
 */
export async function showFirstSteps(box) {
  if (box.dataset["shows"] === "first steps") return;
  box.dataset["shows"] = "first steps";
  try {
    const { protocols } = /** @type {{protocols: {clients: Client[]}[]}} */ (await call("/protocols"));
    fill(box, firstSteps(protocols.flatMap(({ clients }) => clients)));
  } catch {
    delete box.dataset["shows"];
  }
}

/** @param {Client[]} clients */
function firstSteps(clients) {
  return element(
    "div",
    { class: "first-steps" },
    element("h2", {}, "No request has arrived yet"),
    element("p", {}, "Point a client at ", element("code", {}, location.origin), ". Any well-formed key works; the key names the session. Requests appear here as they arrive."),
    element("div", { class: "clients" }, clients.map(client)),
  );
}

/** @param {Client} client */
function client({ title, text, code: template }) {
  const code = template.replaceAll("{url}", location.origin);
  const said = element("span", { role: "status" });
  return element(
    "section",
    {},
    element("h3", {}, printable(title)),
    element("p", {}, printable(text)),
    element("pre", { tabindex: "0", "aria-label": `Code for ${title}` }, printableLines(code)),
    element("div", { class: "actions" }, element("button", { type: "button", onclick: () => void copy(code, "the code", said), "aria-label": `Copy the code for ${title}` }, "Copy"), said),
  );
}
