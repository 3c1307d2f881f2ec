// Deliveries as a picture: a lane for each logical event, a mark for each attempt to deliver it, along a time axis.

import { call, ofSession } from "./api.js";
import { element, redraw, svg } from "./dom.js";
import { counted, duration, printable, shortened } from "./text.js";

/** @typedef {import("./types.js").Delivery} Delivery */
/** @typedef {import("./types.js").Attempt} Attempt */

/** Lanes at first; a button shows as many more. */
const LANES = 100;
/** Milliseconds between two readings while requests arrive. */
const PAUSE_MS = 2_000;
const AXIS_HEIGHT = 28;
/** Below this width, what a lane is stands above it and not beside it. */
const NARROW = 640;
const TICKS = 5;

/** The view of the deliveries of one session. */
export class Deliveries {
  /** @type {string | null} */
  #session = null;
  #most = LANES;
  /** @type {{deliveries: Delivery[], next: number | null} | null} What was read last. */
  #read = null;
  #readAt = -PAUSE_MS;
  /** The newest reading; older ones are dropped. */
  #reading = 0;
  #timer = 0;

  /**
   * @param {HTMLElement} box
   * @param {(session: string, request: string) => string} addressOfRequest
   */
  constructor(box, addressOfRequest) {
    this.box = box;
    this.addressOfRequest = addressOfRequest;
  }

  /**
   * Show the deliveries of a session.
   *
   * @param {string} session
   */
  show(session) {
    if (this.#session !== session || this.box.dataset["shows"] !== "deliveries") {
      redraw(this.box, element("p", { class: "hint" }, "Loading…"));
      this.#most = LANES;
      this.#read = null;
    }
    this.#session = session;
    this.box.dataset["shows"] = "deliveries";
    void this.#readNow();
  }

  /** Read the deliveries again, soon: something has arrived. */
  refresh() {
    if (this.#timer !== 0) return;
    const wait = Math.max(0, PAUSE_MS - (performance.now() - this.#readAt));
    this.#timer = setTimeout(() => void this.#readNow(), wait);
  }

  /** Draw the picture anew: there is another width for it. */
  fit() {
    requestAnimationFrame(() => this.#draw());
  }

  async #readNow() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const session = this.#session;
    if (session === null || this.box.dataset["shows"] !== "deliveries") return;
    this.#readAt = performance.now();
    const reading = (this.#reading += 1);
    /** @type {string | null} */
    let problem = null;
    /** @type {{deliveries: Delivery[], next: number | null} | null} */
    let read = null;
    try {
      read = /** @type {any} */ (await call(ofSession(session, `/deliveries?limit=${this.#most}`)));
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (reading !== this.#reading || this.box.dataset["shows"] !== "deliveries") return;
    this.#read = read;
    if (problem === null) this.#draw();
    else redraw(this.box, element("p", { role: "alert" }, `The deliveries cannot be shown: ${printable(problem)}`));
  }

  #draw() {
    const session = this.#session;
    if (session === null || this.#read === null || this.box.dataset["shows"] !== "deliveries") return;
    const { deliveries, next } = this.#read;
    if (deliveries.length === 0) {
      redraw(this.box, element("p", { class: "hint" }, "No event has arrived in this session. Each event gets a lane here, with all attempts to deliver it."));
      return;
    }
    const addressOf = (/** @type {string} */ request) => this.addressOfRequest(session, request);
    const scrolled = this.box.scrollTop;
    redraw(
      this.box,
      element("p", {}, next === null ? `${counted(deliveries.length, "delivery", "deliveries")}.` : `The first ${counted(deliveries.length, "delivery", "deliveries")}.`),
      legend(),
      picture(this.box, deliveries, addressOf),
      next !== null && element("button", { type: "button", "data-key": "more", onclick: () => this.#showMore() }, `Show ${LANES} more`),
    );
    this.box.scrollTop = scrolled;
  }

  #showMore() {
    this.#most += LANES;
    void this.#readNow();
  }
}

/**
 * @param {HTMLElement} box
 * @param {Delivery[]} deliveries
 * @param {(request: string) => string} addressOfRequest
 */
function picture(box, deliveries, addressOfRequest) {
  const times = deliveries.flatMap(({ attempts }) => attempts.map(({ at }) => Date.parse(at)));
  const [first, last] = times.reduce(([least, most], at) => [Math.min(least, at), Math.max(most, at)], [Infinity, -Infinity]);
  const width = Math.max(280, box.clientWidth - 40);
  const isNarrow = width < NARROW;
  const [left, right, laneHeight] = isNarrow ? [28, width - 40, 52] : [262, width - 202, 30];
  const height = AXIS_HEIGHT + deliveries.length * laneHeight + 8;
  const xOf = (/** @type {string} */ at) => (last === first ? left : left + ((Date.parse(at) - first) / (last - first)) * (right - left));
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "lanes", role: "group", "aria-label": "Deliveries" });
  drawn.append(...axis(first, last, left, right, height, isNarrow ? 2 : TICKS));
  deliveries.forEach((delivery, index) => {
    const bottom = AXIS_HEIGHT + (index + 1) * laneHeight;
    drawn.append(lane(delivery, bottom - 15, isNarrow ? bottom - 36 : bottom - 11, width, xOf, addressOfRequest));
  });
  return element("div", { class: "scroll", tabindex: "0", "data-key": "picture", role: "region", "aria-label": "Picture of the deliveries" }, drawn);
}

/**
 * @param {number} first
 * @param {number} last
 * @param {number} left
 * @param {number} right
 * @param {number} height
 * @param {number} most Parts of the axis.
 */
function axis(first, last, left, right, height, most) {
  const drawn = [];
  const ticks = last === first ? 0 : most;
  for (let tick = 0; tick <= ticks; tick += 1) {
    const x = left + (ticks === 0 ? 0 : (tick / ticks) * (right - left));
    drawn.push(
      svg("line", { x1: x, x2: x, y1: AXIS_HEIGHT - 6, y2: height, class: "tick" }),
      svg("text", { x, y: 14, "text-anchor": "middle", class: "tick-label" }, tick === 0 ? "0 ms" : `+${duration(((last - first) * tick) / ticks)}`),
    );
  }
  return drawn;
}

/**
 * @param {Delivery} delivery
 * @param {number} y Where the marks are.
 * @param {number} textY Where the text is.
 * @param {number} width
 * @param {(at: string) => number} xOf
 * @param {(request: string) => string} addressOfRequest
 */
function lane({ label, id, attempts, fate, flags }, y, textY, width, xOf, addressOfRequest) {
  const fateText = [fate, ...flags].map((word) => word.replaceAll("_", " ")).join(", ");
  const key = `${attempts[0]?.request_id} ${attempts[0]?.index}`;
  const xs = attempts.map(({ at }) => xOf(at));
  return svg(
    "g",
    { class: `lane ${fate}` },
    svg("title", {}, `${printable(label)} ${printable(id)}: ${fateText}`),
    svg("text", { x: 4, y: textY }, shortened(printable(label), width < NARROW ? 24 : 34)),
    xs.length > 1 && svg("line", { x1: Math.min(...xs), x2: Math.max(...xs), y1: y, y2: y, class: "span" }),
    attempts.map((attempt, index) => mark(attempt, key, index, y, xOf(attempt.at), addressOfRequest)),
    svg("text", { x: width - 4, y: textY, "text-anchor": "end", class: "fate" }, shortened(fateText, 28)),
  );
}

/**
 * Draw an attempt as a link to its request; its shape says what the client was told.
 *
 * @param {Attempt} attempt
 * @param {string} key What tells its delivery apart from the others.
 * @param {number} index
 * @param {number} y
 * @param {number} x
 * @param {(request: string) => string} addressOfRequest
 */
function mark({ request_id: request, status, at, fault }, key, index, y, x, addressOfRequest) {
  const told = status === null ? "no reply" : String(status);
  const text = `Attempt ${index + 1} at ${at}: ${told}${fault === null ? "" : ", fault step"}`;
  return svg(
    "a",
    { href: addressOfRequest(request), class: `attempt ${kindOf(status)}`, "aria-label": text, "data-key": `${key} ${index}` },
    svg("title", {}, text),
    svg("circle", { cx: x, cy: y, r: 12, class: "target" }),
    shapeOf(status, x, y),
    fault !== null && svg("circle", { cx: x, cy: y, r: 10, class: "faulty" }),
  );
}

/** @param {number | null} status */
function kindOf(status) {
  if (status === null) return "silent";
  return status < 300 ? "taken" : status < 500 ? "client-error" : "server-error";
}

/**
 * @param {number | null} status
 * @param {number} x
 * @param {number} y
 */
function shapeOf(status, x, y) {
  switch (kindOf(status)) {
    case "taken":
      return svg("circle", { cx: x, cy: y, r: 6, class: "shape" });
    case "client-error":
      return svg("rect", { x: x - 6, y: y - 6, width: 12, height: 12, class: "shape" });
    case "server-error":
      return svg("path", { d: `M${x - 7} ${y + 6}L${x} ${y - 7}L${x + 7} ${y + 6}Z`, class: "shape" });
    default:
      return svg("path", { d: `M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x - 6} ${y + 6}L${x + 6} ${y - 6}`, class: "shape line" });
  }
}

function legend() {
  /** @type {[number | null, string][]} */
  const kinds = [[200, "2xx"], [400, "3xx and 4xx"], [500, "5xx"], [null, "no reply"]];
  return element(
    "ul",
    { class: "legend" },
    kinds.map(([status, text]) =>
      element("li", {}, svg("svg", { width: 20, height: 20, "aria-hidden": "true" }, svg("g", { class: `attempt ${kindOf(status)}` }, shapeOf(status, 10, 10))), text),
    ),
    element("li", {}, svg("svg", { width: 24, height: 24, "aria-hidden": "true" }, svg("circle", { cx: 12, cy: 12, r: 10, class: "faulty" })), "a fault step was applied"),
  );
}
