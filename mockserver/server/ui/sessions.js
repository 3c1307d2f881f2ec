// The sessions with their counts, the latest first.

import { call } from "./api.js";
import { addressOf } from "./address.js";
import { element, fill, redraw } from "./dom.js";
import { counted, printable, shortened } from "./text.js";

/** @typedef {import("./address.js").Place} Place */
/** @typedef {{session: string, requests: number, accepted: number, duplicate: number, rejected: number}} Session */
/** @typedef {{sessions: Session[], evicted: number, unreadable: number, unseen: {count: number, reason: string | null}}} Reading */

/** Sessions that are listed; a text narrows them down. */
const MOST_LISTED = 100;
/** A list that took long to read is read again only after so many times as long. */
const PAUSE = 10;
const SHORTEST_PAUSE_MS = 500;

export class Sessions {
  /** @type {Session[]} */
  #sessions = [];
  /** @type {Place | null} */
  #place = null;
  /** Whether it is known that no session has received a request. */
  areEmpty = false;
  #isStale = false;
  #isReading = false;

  /**
   * @param {HTMLElement} box
   * @param {HTMLElement} filter The text field that narrows them down.
   * @param {HTMLElement} note Where it is said what is in no session.
   * @param {() => void} onReading
   */
  constructor(box, filter, note, onReading) {
    this.onReading = onReading;
    this.box = box;
    this.filter = /** @type {HTMLInputElement} */ (filter);
    this.note = note;
    filter.addEventListener("input", () => this.#draw());
  }

  /**
   * Mark the session of a place as the current one.
   *
   * @param {Place} place
   */
  show(place) {
    const isOther = this.#place?.session !== place.session;
    this.#place = place;
    this.#draw();
    if (isOther) this.box.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Read the sessions again, soon. */
  async refresh() {
    this.#isStale = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#isStale) {
      this.#isStale = false;
      const began = performance.now();
      try {
        const reading = /** @type {Reading} */ (await call("/sessions"));
        this.#sessions = reading.sessions.reverse();
        this.areEmpty = reading.sessions.every(({ requests }) => requests === 0);
        fill(this.note, noteOf(reading));
        this.#draw();
        this.onReading();
      } catch {
        // The state of the stream already says that the server cannot be reached.
      }
      const pause = Math.max(SHORTEST_PAUSE_MS, (performance.now() - began) * PAUSE);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    this.#isReading = false;
  }

  #draw() {
    const place = this.#place;
    if (place === null) return;
    const text = this.filter.value.toLowerCase();
    const fitting = this.#sessions.filter(({ session }) => session.toLowerCase().includes(text));
    const current = place.session;
    if (current !== null && !fitting.some(({ session }) => session === current)) {
      fitting.unshift({ session: current, requests: 0, accepted: 0, duplicate: 0, rejected: 0 });
    }
    const left = fitting.length - MOST_LISTED;
    redraw(
      this.box,
      element("li", {}, link(place, null, "All sessions", null)),
      fitting.slice(0, MOST_LISTED).map((session) => element("li", {}, link(place, session.session, shortened(printable(session.session), 60), session))),
      left > 0 && element("li", { class: "hint" }, `${left.toLocaleString("en")} more: use the field above`),
    );
  }
}

/**
 * @param {Place} place
 * @param {string | null} session
 * @param {string} text
 * @param {Session | null} counts
 */
function link(place, session, text, counts) {
  const href = addressOf({ ...place, session, view: session === null ? "requests" : place.view, selected: null });
  return element(
    "a",
    { href, "aria-current": place.session === session ? "page" : null, "data-key": session === null ? "all" : `session ${session}` },
    element("span", { class: "name" }, text),
    counts !== null && [
      " ",
      element("span", { class: "count" }, counted(counts.requests, "request")),
      counts.rejected > 0 && element("span", { class: "count refused" }, ` ${counts.rejected.toLocaleString("en")} rejected`),
    ],
  );
}

/** @param {Reading} reading */
function noteOf({ evicted, unreadable, unseen }) {
  const notes = [];
  if (unseen.count > 0) notes.push(`${unseen.count.toLocaleString("en")} in no session, the last one: ${printable(unseen.reason ?? "")}.`);
  else if (unreadable > 0) notes.push(`${unreadable.toLocaleString("en")} that were not valid HTTP.`);
  if (evicted > 0) notes.push(`${evicted.toLocaleString("en")} sessions were evicted (--max-sessions, --memory-limit).`);
  return notes.join(" ");
}
