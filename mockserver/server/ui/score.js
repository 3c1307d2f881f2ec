// The score of the client of a session: each rule with its verdict, and the requests that show what is broken.

import { call, ofSession } from "./api.js";
import { element, redraw } from "./dom.js";
import { printable } from "./text.js";

/** @typedef {import("./types.js").RuleScore} RuleScore */

/** @type {Record<RuleScore["verdict"], string>} */
const WORDS = { fail: "fail", pass: "pass", not_exercised: "not exercised" };
const SHOWN_REQUESTS = 10;

/** The newest reading; older ones are dropped. */
let reading = 0;

/**
 * Show the score of a session, the broken rules first.
 *
 * @param {HTMLElement} box
 * @param {string} session
 * @param {(session: string, request: string) => string} addressOfRequest
 */
export async function showScore(box, session, addressOfRequest) {
  const own = (reading += 1);
  if (box.dataset["shows"] !== "score") redraw(box, element("p", { class: "hint" }, "Loading…"));
  box.dataset["shows"] = "score";
  /** @type {Node[]} */
  let shown;
  try {
    const { rules, counts } = /** @type {any} */ (await call(ofSession(session, "/conformance")));
    const said = Object.entries(WORDS).map(([verdict, word]) => `${counts[verdict]} ${word}`);
    const again = element("button", { type: "button", "data-key": "again", onclick: () => void showScore(box, session, addressOfRequest) }, "Judge again");
    shown = [element("p", { role: "status" }, `Rules about clients: ${said.join(", ")}.`), element("p", {}, again), tableOf(rules, (id) => addressOfRequest(session, id))];
  } catch (error) {
    shown = [element("p", { role: "alert" }, printable(error instanceof Error ? error.message : String(error)))];
  }
  if (own === reading && box.dataset["shows"] === "score") redraw(box, ...shown);
}

/** Forget what is under way: another view is shown. */
export function leaveScore() {
  reading += 1;
}

/**
 * @param {RuleScore[]} rules
 * @param {(id: string) => string} addressOf
 */
function tableOf(rules, addressOf) {
  const order = Object.keys(WORDS);
  const sorted = [...rules].sort((one, other) => order.indexOf(one.verdict) - order.indexOf(other.verdict));
  const heads = ["Verdict", "Rule", "A client", "Why"].map((head) => element("th", { scope: "col" }, head));
  const rows = sorted.map((rule) =>
    element(
      "tr",
      { class: `verdict-${rule.verdict}` },
      element("td", {}, WORDS[rule.verdict], element("br"), element("span", { class: "hint" }, rule.level)),
      element("td", {}, element("code", {}, rule.rule), element("br"), element("span", { class: "hint" }, rule.protocol)),
      element("td", {}, printable(rule.text), element("br"), element("span", { class: "hint" }, printable(rule.source))),
      element("td", {}, ...why(rule, addressOf)),
    ),
  );
  const table = element("table", { class: "score" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rules" }, table);
}

/**
 * @param {RuleScore} rule
 * @param {(id: string) => string} addressOf
 * @returns {(Node | string)[]}
 */
function why({ verdict, message, requests, stimulus }, addressOf) {
  if (verdict === "not_exercised") return [stimulus === null ? "No request shows it." : `Needs: ${printable(stimulus.text)}.`];
  if (verdict === "pass") return [];
  const links = requests.slice(0, SHOWN_REQUESTS).flatMap((id) => [" ", element("a", { href: addressOf(id), "data-key": id }, id)]);
  const more = requests.length > SHOWN_REQUESTS ? ` and ${requests.length - SHOWN_REQUESTS} more` : "";
  return [`${printable(message)}:`, ...links, more];
}
