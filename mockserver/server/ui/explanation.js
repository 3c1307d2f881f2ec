// Why something was refused: what was expected, what came, who says so, and what the newest revision says.

import { call, ofSession } from "./api.js";
import { element, fill } from "./dom.js";
import { inline } from "./json_view.js";
import { printable } from "./text.js";

/** @typedef {import("./types.js").Finding} Finding */
/** @typedef {{protocol: string, pointer: string, value: unknown, source: string, basis: string}} Fact */

/**
 * Return a finding as an element that opens to its explanation.
 *
 * @param {Finding} finding
 * @param {{session: string, protocol: string | null}} context
 */
export function explanation(finding, { session, protocol }) {
  const facts = element("div", { class: "facts" });
  const box = element(
    "details",
    { class: `finding ${finding.severity}` },
    element("summary", {}, element("strong", {}, finding.severity), " ", printable(finding.message)),
    element(
      "dl",
      {},
      pair("Place", finding.pointer === "" ? "the whole value" : finding.pointer),
      pair("Expected", inline(finding.expected)),
      pair("Got", inline(finding.got)),
      pair("Rule", finding.rule),
      pair("Source", finding.source),
    ),
    facts,
  );
  box.addEventListener("toggle", () => {
    if (box.open && facts.childElementCount === 0 && protocol !== null) void showFacts(facts, finding.rule, session, protocol);
  });
  return box;
}

/**
 * @param {string} term
 * @param {string} description
 */
function pair(term, description) {
  return [element("dt", {}, term), element("dd", {}, printable(description))];
}

/**
 * Show what the contract in force and its newest revision say under a rule.
 *
 * @param {HTMLElement} box
 * @param {string} rule
 * @param {string} session
 * @param {string} protocol
 */
async function showFacts(box, rule, session, protocol) {
  fill(box, element("p", {}, "Loading the contract…"));
  try {
    const settings = /** @type {any} */ (await call(ofSession(session)));
    const { revision, patch } = settings.protocols[protocol];
    const { protocols } = /** @type {any} */ (await call("/protocols"));
    const newest = protocols.find((/** @type {{name: string}} */ { name }) => name === protocol)?.newest;
    const query = `protocol=${encodeURIComponent(protocol)}`;
    const [here, ahead] = await Promise.all([
      factsUnder(`${query}&session=${encodeURIComponent(session)}`, rule),
      newest === undefined || newest === revision ? null : factsUnder(`${query}&revision=${encodeURIComponent(newest)}`, rule),
    ]);
    const patched = patch === null || patch === undefined ? "" : ", with the patch of the session";
    fill(
      box,
      section(`In the contract (${revision}${patched})`, here),
      ahead !== null && section(`In the newest revision (${newest})`, ahead),
    );
  } catch (error) {
    fill(box, element("p", { role: "alert" }, `The contract cannot be shown: ${String(error)}`));
  }
}

/**
 * @param {string} query
 * @param {string} rule
 * @returns {Promise<Fact[]>}
 */
async function factsUnder(query, rule) {
  const { facts } = /** @type {{facts: Fact[]}} */ (await call(`/fidelity?${query}`));
  const exact = facts.filter(({ pointer }) => pointer === rule || pointer.startsWith(`${rule}/`));
  if (exact.length > 0) return exact.slice(0, 20);
  const above = facts.filter(({ pointer }) => rule.startsWith(`${pointer}/`));
  return above.slice(-1);
}

/**
 * @param {string} title
 * @param {Fact[]} facts
 */
function section(title, facts) {
  const rows = facts.map(({ pointer, value, source }) =>
    element("li", {}, element("code", {}, printable(pointer)), " ", element("code", {}, inline(value)), element("br"), printable(source)),
  );
  const content = rows.length === 0 ? element("p", {}, "It has no such rule.") : element("ul", {}, rows);
  return element("section", {}, element("h4", {}, printable(title)), content);
}
