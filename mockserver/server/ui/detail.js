// One request: why it was refused, its events, the request and its reply.

import { call, ofSession, parseExactly } from "./api.js";
import { copy } from "./clipboard.js";
import { curlOf, pytestOf, stepOf } from "./copying.js";
import { element, fill } from "./dom.js";
import { explanation } from "./explanation.js";
import { jsonView } from "./json_view.js";
import { counted, printable, printableLines, shortened, timeOfDay } from "./text.js";

/** @typedef {import("./types.js").RequestDetail} RequestDetail */
/** @typedef {import("./types.js").EventRow} EventRow */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Finding} Finding */

/** Events of a request that are shown; a batch has up to 500. */
const MOST_EVENTS = 500;
/** Events that are open at first. */
const OPEN_EVENTS = 3;
const LONGEST_TEXT = 100_000;

/** @typedef {{own: Finding[], ofEvents: Finding[]}} BodyFindings Those of events are shown at their places only. */
/** @type {BodyFindings} */
const NO_FINDINGS = { own: [], ofEvents: [] };

/** @typedef {{session: string, request: string, firstEvent: number | null, onStep: (session: string, step: object) => void}} Shown */

/**
 * Show a request in a box. A newer call wins over one that is still waiting for the server.
 *
 * @param {HTMLElement} box
 * @param {Shown} shown
 * @returns {Promise<void> | null} Ends when it is shown; null if it is there already.
 */
export function showRequest(box, shown) {
  const key = `${shown.request} ${shown.session}`;
  if (box.dataset["shows"] === key) return null;
  box.dataset["shows"] = key;
  return load(box, key, shown);
}

/**
 * Read the request of a box again when it is shown next.
 *
 * @param {HTMLElement} box
 */
export function forgetRequest(box) {
  delete box.dataset["shows"];
}

/**
 * @param {HTMLElement} box
 * @param {string} key
 * @param {Shown} shown
 */
async function load(box, key, { session, request, firstEvent, onStep }) {
  const isNewest = () => box.dataset["shows"] === key;
  if (box.childElementCount === 0) fill(box, element("p", { class: "hint" }, "Loading…"));
  /** @type {() => void} */
  let show;
  try {
    const detail = /** @type {RequestDetail} */ (await call(ofSession(session, `/requests/${encodeURIComponent(request)}`)));
    const events = await eventsOf(session, detail, firstEvent);
    show = () => draw(box, session, detail, events, onStep);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    show = () => {
      forgetRequest(box);
      const title = element("h2", { tabindex: "-1" }, `Request ${shortened(printable(request), 40)}`);
      fill(box, title, element("p", { role: "alert" }, `The request cannot be shown: ${printable(reason)}`));
    };
  }
  if (!isNewest()) return;
  const hadFocus = box.contains(document.activeElement);
  show();
  if (hadFocus) box.querySelector("h2")?.focus();
}

/**
 * @param {string} session
 * @param {RequestDetail} detail
 * @param {number | null} firstEvent
 * @returns {Promise<EventRow[]>}
 */
async function eventsOf(session, detail, firstEvent) {
  if (detail.events === 0) return [];
  const query = new URLSearchParams({ verdict: "any", limit: String(MOST_EVENTS) });
  if (detail.operation !== null) query.set("operation", detail.operation);
  if (detail.protocol !== null) query.set("protocol", detail.protocol);
  if (firstEvent !== null) {
    query.set("after", String(firstEvent - 1));
    query.set("limit", String(Math.min(MOST_EVENTS, detail.events)));
    const page = /** @type {{events: EventRow[]}} */ (await call(ofSession(session, `/events?${query}`)));
    return page.events.filter((event) => event.request_id === detail.id);
  }
  for (let after = "0"; ; ) {
    query.set("after", after);
    const page = /** @type {{events: EventRow[], next: number | null}} */ (await call(ofSession(session, `/events?${query}`)));
    const own = page.events.filter((event) => event.request_id === detail.id);
    if (own.length > 0 || page.next === null) return own;
    after = String(page.next);
  }
}

/**
 * @param {HTMLElement} box
 * @param {string} session
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 * @param {(session: string, step: object) => void} onStep
 */
function draw(box, session, detail, events, onStep) {
  const context = { session, protocol: detail.protocol };
  events = events.map((event) => ({ ...event, findings: event.findings.filter((finding) => !isAmong(finding, detail.findings)) }));
  const explain = (/** @type {Finding} */ finding) => explanation(finding, context);
  fill(
    box,
    element("h2", { tabindex: "-1" }, `${printable(detail.method)} ${shortened(printable(detail.path), 300)}`),
    summaryOf(session, detail),
    actionsOf(session, detail, events, onStep),
    summaryOfFindings(detail, events),
    events.length > 0 && eventsSection(detail, events, explain),
    messageSection("Request", detail.request, { own: detail.findings, ofEvents: inBody(detail, events) }, explain),
    detail.reply === null
      ? element("section", {}, element("h3", {}, "Reply"), element("p", {}, "The client got no reply."))
      : messageSection("Reply", detail.reply, NO_FINDINGS, explain),
    detail.contract_reply !== null && messageSection("Reply of the contract", detail.contract_reply, NO_FINDINGS, explain),
    detail.upstream_reply !== null && messageSection("Reply of the upstream", detail.upstream_reply, NO_FINDINGS, explain),
  );
}

/**
 * Return the findings of events with pointers into the body of their request.
 *
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 * @returns {Finding[]}
 */
function inBody({ event_pointer: place }, events) {
  if (place === null) return [];
  return events.flatMap(({ index, findings }) => findings.map((finding) => ({ ...finding, pointer: place.replace("{index}", String(index)) + finding.pointer })));
}

/**
 * Return whether a finding of an event is about the request: rows of events have those too.
 *
 * @param {Finding} finding
 * @param {Finding[]} findings
 */
function isAmong({ rule, pointer, message }, findings) {
  return findings.some((other) => other.rule === rule && other.pointer === pointer && other.message === message);
}

/**
 * @param {string} session
 * @param {RequestDetail} detail
 */
function summaryOf(session, detail) {
  const { status, protocol, operation, received_at: received, session_time: sessionTime, fault, from } = detail;
  /** @type {[string, string][]} */
  const facts = [
    ["Status", status === null ? "no reply" : String(status)],
    ["Operation", protocol === null ? "none" : `${protocol} / ${operation ?? "none"}`],
    ["Session", session],
    ["Received", `${timeOfDay(received)} (${received})`],
  ];
  if (sessionTime !== received) facts.push(["Session time", sessionTime]);
  if (from !== "contract") facts.push(["Reply from", from]);
  if (fault !== null) facts.push(["Fault step", JSON.stringify(fault)]);
  return element(
    "dl",
    { class: "summary" },
    facts.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, shortened(printable(value), 500)))),
  );
}

/**
 * @param {string} session
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 * @param {(session: string, step: object) => void} onStep
 */
function actionsOf(session, detail, events, onStep) {
  const said = element("span", { role: "status" });
  const copying = (/** @type {string} */ name, /** @type {() => string} */ text) =>
    element("button", { type: "button", onclick: () => void copy(text(), name, said) }, `Copy ${name}`);
  return element(
    "div",
    { class: "actions" },
    copying("as curl", () => curlOf(detail, session)),
    copying("as pytest", () => pytestOf(detail, events)),
    copying("as fault step", () => JSON.stringify(stepOf(detail, events), null, 2)),
    copying("address", () => location.href),
    element("button", { type: "button", onclick: () => onStep(session, stepOf(detail, events)) }, "Set a fault for this"),
    said,
  );
}

/**
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 */
function summaryOfFindings(detail, events) {
  const count = (/** @type {string} */ severity) =>
    [detail.findings, ...events.map(({ findings }) => findings)].flat().filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (errors + warnings === 0) return element("p", { class: "verdict good" }, "No errors, no warnings.");
  const tone = errors > 0 ? "refused" : "warned";
  const counts = [errors > 0 && counted(errors, "error"), warnings > 0 && counted(warnings, "warning")].filter(Boolean).join(", ");
  const where = errors + warnings === 1 ? "It is shown at its place below; open it for the reason." : "Each is shown at its place below; open one for the reason.";
  return element("p", { class: `verdict ${tone}` }, `${counts}. ${where}`);
}

/**
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 * @param {(finding: Finding) => Node} explain
 */
function eventsSection(detail, events, explain) {
  const worst = Math.max(...events.map(weight));
  const open = new Set(events.filter((event) => weight(event) === worst).slice(0, OPEN_EVENTS));
  const missing = detail.events - events.length;
  return element(
    "section",
    { class: "events" },
    element("h3", {}, counted(detail.events, "event")),
    events.map((event) => eventBox(event, open.has(event), explain)),
    missing > 0 && element("p", {}, `${counted(missing, "event")} more, see the body of the request.`),
  );
}

/**
 * Return how much there is to say about an event: the events with most are open at first.
 *
 * @param {EventRow} event
 */
function weight({ findings }) {
  return findings.some(({ severity }) => severity === "error") ? 2 : Number(findings.length > 0);
}

/**
 * @param {EventRow} event
 * @param {boolean} open
 * @param {(finding: Finding) => Node} explain
 */
function eventBox({ index, type, verdict, event, findings, stored }, open, explain) {
  const box = element(
    "details",
    { class: "event", open },
    element(
      "summary",
      {},
      `${index}. ${shortened(printable(type ?? "no type"), 100)} `,
      element("span", { class: `badge ${verdict}` }, verdict),
      findings.length > 0 && ` ${counted(findings.length, "finding")}`,
    ),
  );
  const fillOnce = () => {
    if (!box.open || box.childElementCount > 1) return;
    box.append(jsonView(event, findings, explain));
    if (stored !== null && JSON.stringify(stored) !== JSON.stringify(event)) {
      box.append(element("h4", {}, "As it is stored"), jsonView(stored, [], explain));
    }
  };
  box.addEventListener("toggle", fillOnce);
  fillOnce();
  return box;
}

/**
 * @param {string} title
 * @param {Message} message
 * @param {BodyFindings} findings
 * @param {(finding: Finding) => Node} explain
 */
function messageSection(title, { headers, body, status }, findings, explain) {
  const rows = headers.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, printable(name)), element("td", {}, shortened(printable(value), 2_000))),
  );
  return element(
    "section",
    {},
    element("h3", {}, status === undefined ? title : `${title}: ${status}`),
    element(
      "details",
      {},
      element("summary", {}, counted(headers.length, "header")),
      element("table", {}, element("tbody", {}, rows)),
    ),
    bodyView(body, findings, explain),
  );
}

/**
 * @param {import("./types.js").Body} body
 * @param {BodyFindings} findings
 * @param {(finding: Finding) => Node} explain
 */
function bodyView(body, { own, ofEvents }, explain) {
  if ("base64" in body) {
    const note = `${counted(Math.floor((body.base64.length * 3) / 4), "byte")} that are not text, in Base64`;
    return [element("p", {}, note), textBlock(body.base64), ...own.map(explain)];
  }
  if (body.text === "") return [element("p", {}, "No body."), ...own.map(explain)];
  try {
    return [jsonView(parseExactly(body.text), [...own, ...ofEvents], explain)];
  } catch {
    return [textBlock(body.text), ...own.map(explain)];
  }
}

/** @param {string} text */
function textBlock(text) {
  return element("pre", { tabindex: "0", "aria-label": "Body" }, printableLines(shortened(text, LONGEST_TEXT)));
}
