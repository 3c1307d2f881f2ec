// What narrows the list of requests down: its controls, and what is said of the list.

import { byId, element, fill, say } from "./dom.js";
import { counted, printable } from "./text.js";

/** @typedef {import("./address.js").Filter} Filter */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./rows.js").Rows} Rows */

export class Filters {
  #text = /** @type {HTMLInputElement} */ (byId("filter-text"));
  #verdict = /** @type {HTMLSelectElement} */ (byId("filter-verdict"));
  #protocol = /** @type {HTMLSelectElement} */ (byId("filter-protocol"));
  #type = /** @type {HTMLInputElement} */ (byId("filter-type"));

  /** @param {(filter: Filter) => void} onChange */
  constructor(onChange) {
    const form = byId("filters");
    form.addEventListener("input", () => onChange(this.value));
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("clear").addEventListener("click", () => {
      onChange({ text: "", verdict: "", protocol: "", type: "" });
      this.focus();
    });
  }

  /** @returns {Filter} */
  get value() {
    return { text: this.#text.value, verdict: this.#verdict.value, protocol: this.#protocol.value, type: this.#type.value };
  }

  focus() {
    this.#text.focus();
  }

  /**
   * Show the values of a filter. What somebody is typing stays as it is.
   *
   * @param {Filter} filter
   */
  show(filter) {
    for (const [box, value] of /** @type {const} */ ([[this.#text, filter.text], [this.#type, filter.type]])) {
      if (document.activeElement !== box) box.value = value;
    }
    this.#verdict.value = filter.verdict;
  }

  /**
   * Offer the protocols and types that came.
   *
   * @param {Rows} rows
   * @param {Filter} filter
   */
  offer(rows, filter) {
    setOptions(this.#protocol, ["", ...[...rows.protocols].sort()], filter.protocol);
    const types = byId("types");
    if (types.childElementCount === rows.types.size) return;
    fill(types, [...rows.types].sort().map((type) => element("option", { value: type })));
  }
}

/**
 * Say how many requests are shown, how many are not, and why there are none.
 *
 * @param {Row[]} shown
 * @param {{filter: Filter, dropped: number, waiting: number}} state `waiting` came since the list was paused.
 */
export function tellCount(shown, { filter, dropped, waiting }) {
  const isFiltered = Object.values(filter).some((value) => value !== "");
  const parts = [counted(shown.length, "request")];
  if (waiting > 0) parts.push(`${waiting.toLocaleString("en")} new`);
  if (dropped > 0) parts.push(`${counted(dropped, "older one")} dropped`);
  say(byId("count"), parts.join(", "));
  byId("nothing").hidden = shown.length > 0;
  byId("clear").hidden = !isFiltered;
  say(byId("nothing-text"), isFiltered ? "No request fits the filters." : "No request has arrived here yet. New ones appear without a reload.");
}

/**
 * @param {HTMLSelectElement} box
 * @param {string[]} values
 * @param {string} current
 */
function setOptions(box, values, current) {
  const wanted = values.includes(current) ? values : [...values, current];
  if ([...box.options].map(({ value }) => value).join("\n") !== wanted.join("\n")) {
    fill(box, wanted.map((value) => element("option", { value }, value === "" ? "any" : printable(value))));
  }
  box.value = current;
}
