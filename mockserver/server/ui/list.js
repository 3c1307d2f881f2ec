// The list of requests. Only the rows in view are elements, so that its length does not matter.

import { element, fill } from "./dom.js";
import { isRefused } from "./rows.js";
import { counted, printable, shortened, timeOfDay } from "./text.js";

/** @typedef {import("./rows.js").Row} Row */

const ROW_HEIGHT = 34;
/** Rows above and below those in view that are elements too. */
const MARGIN = 10;

export class List {
  /** @type {Row[]} The newest first. */
  #rows = [];
  /** @type {string | null} */
  #selected = null;
  /** @type {string | null} The session that all rows are of; null for different ones. */
  #session = null;
  #requested = false;

  /**
   * @param {HTMLElement} box The element that scrolls.
   * @param {(row: Row, andFocus: boolean) => void} onSelect
   */
  constructor(box, onSelect) {
    this.box = box;
    this.onSelect = onSelect;
    this.inner = element("div", { class: "rows", role: "presentation" });
    fill(box, this.inner);
    box.addEventListener("scroll", () => this.#request());
    box.addEventListener("keydown", (event) => this.#onKey(event));
    box.addEventListener("click", (event) => this.#onClick(event));
    new ResizeObserver(() => this.#request()).observe(box);
  }

  /**
   * Show these rows. What the reader looks at stays in its place, unless that is the newest row.
   *
   * @param {Row[]} rows
   * @param {{selected: string | null, session: string | null}} options
   */
  show(rows, { selected, session }) {
    const top = this.#rows[Math.floor(this.box.scrollTop / ROW_HEIGHT)];
    const isAtTop = this.box.scrollTop < ROW_HEIGHT / 2;
    const before = top === undefined || isAtTop ? -1 : this.#rows.indexOf(top);
    this.#rows = rows;
    this.#selected = selected;
    this.#session = session;
    this.inner.style.blockSize = `${rows.length * ROW_HEIGHT}px`;
    if (before >= 0 && top !== undefined) {
      const now = rows.indexOf(top);
      if (now > before) this.box.scrollTop += (now - before) * ROW_HEIGHT;
    }
    this.#request();
  }

  /** Bring the selected row into view. */
  reveal() {
    const index = this.#selectedIndex();
    if (index < 0) return;
    const top = index * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) this.box.scrollTop = top + ROW_HEIGHT - clientHeight;
  }

  /**
   * Select the row that is some rows further down.
   *
   * @param {number} by
   */
  move(by) {
    if (this.#rows.length === 0) return;
    const index = this.#selectedIndex();
    const last = this.#rows.length - 1;
    const next = index < 0 && by !== Infinity ? 0 : Math.max(0, Math.min(last, index + by));
    const row = this.#rows[next];
    if (row === undefined) return;
    this.#selected = keyOf(row);
    this.reveal();
    this.#request();
    this.onSelect(row, false);
  }

  #selectedIndex() {
    return this.#rows.findIndex((row) => keyOf(row) === this.#selected);
  }

  #request() {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      this.#draw();
    });
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - MARGIN);
    const last = Math.min(this.#rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW_HEIGHT) + MARGIN);
    const options = [];
    for (let index = first; index < last; index += 1) {
      const row = this.#rows[index];
      if (row !== undefined) options.push(this.#option(row, index));
    }
    fill(this.inner, options);
    const active = this.inner.querySelector("[aria-selected=true]");
    if (active === null) this.box.removeAttribute("aria-activedescendant");
    else this.box.setAttribute("aria-activedescendant", active.id);
  }

  /**
   * @param {Row} row
   * @param {number} index
   */
  #option(row, index) {
    const { request, session } = row;
    const option = element(
      "div",
      {
        class: `row ${toneOf(row)}`,
        role: "option",
        id: `row-${index}`,
        "data-index": index,
        "aria-selected": keyOf(row) === this.#selected ? "true" : "false",
        "aria-setsize": this.#rows.length,
        "aria-posinset": index + 1,
      },
      element("span", { class: "time" }, timeOfDay(request.received_at)),
      this.#session === null && element("span", { class: "of-session" }, shortened(printable(session), 40)),
      element("span", { class: "status" }, request.status ?? "no reply"),
      element("span", { class: "what" }, whatOf(row)),
      element("span", { class: "verdicts" }, verdictsOf(row)),
      element("span", { class: "reason" }, row.reason === null ? "" : shortened(printable(row.reason.message), 300)),
    );
    option.style.insetBlockStart = `${index * ROW_HEIGHT}px`;
    return option;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_HEIGHT) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      this.move(steps[/** @type {keyof typeof steps} */ (event.key)]);
    } else if (event.key === "Enter") {
      const row = this.#rows[this.#selectedIndex()];
      if (row !== undefined) this.onSelect(row, true);
      else this.move(1);
    }
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const option = event.target instanceof Element ? event.target.closest("[data-index]") : null;
    const row = option === null ? undefined : this.#rows[Number(option.getAttribute("data-index"))];
    if (row !== undefined) this.onSelect(row, false);
  }
}

/**
 * Return what tells a row apart from all others.
 *
 * @param {{session: string, request: {id: string}}} row
 */
export function keyOf({ session, request }) {
  return `${request.id} ${session}`;
}

/** @param {Row} row */
function toneOf(row) {
  if (isRefused(row)) return "refused";
  return row.reason === null ? "good" : "warned";
}

/** @param {Row} row */
function whatOf({ request, types, session }) {
  const path = element("span", { class: "path" }, shortened(printable(pathWithout(session, request.path)), 120));
  if (types.length === 0) return [`${printable(request.method)} `, path];
  return [`${shortened(types.slice(0, 3).map(printable).join(", "), 100)}${types.length > 3 ? ", …" : ""} `, path];
}

/**
 * Return a path with … in place of the name of its session, which would hide what follows it.
 *
 * @param {string} session
 * @param {string} path
 */
function pathWithout(session, path) {
  return path.split("/").map((part) => (part === session ? "…" : part)).join("/");
}

/** @param {Row} row */
function verdictsOf({ verdicts, request }) {
  if (request.events === 0) return request.operation === null ? "" : printable(request.operation);
  const seen = /** @type {const} */ (["accepted", "duplicate", "rejected"]).filter((verdict) => verdicts[verdict] > 0);
  return seen.map((verdict) => `${verdicts[verdict].toLocaleString("en")} ${verdict}`).join(", ") || counted(request.events, "event");
}
