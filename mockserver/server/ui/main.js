// The page: it follows the stream, and shows what its address names.

import { addressOf, placeOf } from "./address.js";
import { RefusedError, follow, send, useToken } from "./api.js";
import { showControl } from "./control.js";
import { showDeliveries } from "./deliveries.js";
import { showRequest } from "./detail.js";
import { byId, element, fill } from "./dom.js";
import { firstSteps } from "./first_steps.js";
import { List, keyOf } from "./list.js";
import { Rows } from "./rows.js";
import { Sessions } from "./sessions.js";
import { counted, printable } from "./text.js";

/** @typedef {import("./types.js").StreamEvent} StreamEvent */
/** @typedef {import("./address.js").Place} Place */
/** @typedef {import("./rows.js").Row} Row */

/** Milliseconds between two readings of the deliveries while requests arrive. */
const DELIVERIES_PAUSE_MS = 2_000;

const rows = new Rows();
const list = new List(byId("list"), select);
const sessions = new Sessions(byId("sessions"), input("session-filter"), byId("session-note"), scheduleDraw);
const detail = byId("detail");
const filters = { text: input("filter-text"), verdict: choice("filter-verdict"), protocol: choice("filter-protocol"), type: input("filter-type") };

let place = placeOf(location.hash);
/** @type {Row[] | null} What is shown while the page is paused. */
let paused = null;
let isDrawing = false;
let deliveriesAt = 0;
/** @type {object | null} */
let nextStep = null;
/** Ends when the selected request is shown. */
let isShown = Promise.resolve();

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** @param {string} id */
function choice(id) {
  return /** @type {HTMLSelectElement} */ (byId(id));
}

/**
 * Take in an event of the stream.
 *
 * @param {StreamEvent} event
 */
function onEvent({ name, data }) {
  if (name === "request") {
    rows.add(data);
  } else if (name === "deleted") {
    rows.forget(data.session);
  } else if (name === "evicted") {
    onEvicted(data);
  }
  scheduleDraw();
  void sessions.refresh();
}

/** @param {import("./types.js").StreamedEviction} eviction */
function onEvicted({ session, reason, requests }) {
  const lost = requests === null ? "Requests" : counted(requests, "request");
  if (reason === "restart") {
    rows.clear();
    notify("The server was started anew: what it had received before is gone.");
  } else if (reason === "max_sessions" || reason === "memory_limit") {
    if (session !== null) rows.forget(session);
    notify(`The session ${printable(session ?? "")} was evicted (--${reason.replace("_", "-")}).`);
  } else {
    notify(`${lost} cannot be shown: the server no longer has them.`);
  }
}

/** @param {string} text */
function notify(text) {
  fill(byId("notice"), text);
}

/**
 * @param {"live" | "lost" | "refused"} state
 * @param {string} reason
 */
function onState(state, reason) {
  const texts = { live: "live", lost: "connection lost, connecting again", refused: "refused" };
  fill(byId("state"), texts[state]);
  byId("state").className = state;
  byId("state").title = printable(reason);
  if (state === "live") void sessions.refresh();
  scheduleDraw();
}

function scheduleDraw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    draw();
  });
}

function draw() {
  const shown = paused ?? rows.shown(place.session, place.filter);
  const isRequests = place.view === "requests";
  const isEmpty = isRequests && sessions.areEmpty && rows.all.length === 0;
  byId("empty").hidden = !isEmpty;
  byId("requests").hidden = !isRequests || isEmpty;
  byId("filters").hidden = !isRequests || isEmpty;
  byId("view").hidden = isRequests;
  if (isEmpty && byId("empty").childElementCount === 0) fill(byId("empty"), firstSteps());
  list.show(shown, { selected: place.selected === null ? null : keyOf(asKeyed(place.selected)), showsSession: place.session === null });
  byId("nothing").hidden = shown.length > 0;
  const dropped = rows.dropped > 0 ? `, ${counted(rows.dropped, "older one")} dropped` : "";
  fill(byId("count"), `${counted(shown.length, "request")}${dropped}`);
  drawNames();
  if (place.view === "deliveries" && performance.now() - deliveriesAt > DELIVERIES_PAUSE_MS) drawDeliveries();
}

function drawNames() {
  setOptions(filters.protocol, ["", ...[...rows.protocols].sort()], place.filter.protocol);
  if (byId("types").childElementCount === rows.types.size) return;
  fill(byId("types"), [...rows.types].sort().map((type) => element("option", { value: type })));
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

function drawDeliveries() {
  if (place.session === null) return;
  const { session } = place;
  deliveriesAt = performance.now();
  void showDeliveries(byId("view"), session, (request) => addressOf({ ...place, view: "requests", selected: { session, request } }));
}

/**
 * @param {{session: string, request: string}} selected
 * @returns {{session: string, request: {id: string}}}
 */
function asKeyed({ session, request }) {
  return { session, request: { id: request } };
}

/** Show the place that the address names. */
function onAddress() {
  const before = place;
  place = placeOf(location.hash);
  if (addressOf({ ...before, selected: null }) !== addressOf({ ...place, selected: null })) paused = paused === null ? null : rows.shown(place.session, place.filter);
  for (const [name, box] of Object.entries(filters)) {
    if (box instanceof HTMLInputElement && document.activeElement !== box) box.value = place.filter[/** @type {keyof typeof filters} */ (name)];
  }
  filters.verdict.value = place.filter.verdict;
  fill(byId("views"), viewLinks());
  sessions.show(place);
  document.title = place.session === null ? "mockserver" : `${printable(place.session)} · mockserver`;
  showSelected();
  if (place.view === "control" && place.session !== null) {
    void showControl(byId("view"), place.session, nextStep);
    nextStep = null;
  } else if (place.view === "deliveries") {
    if (before.view !== "deliveries" || before.session !== place.session) fill(byId("view"));
    drawDeliveries();
  }
  draw();
  list.reveal();
}

function viewLinks() {
  if (place.session === null) return [];
  const titles = { requests: "Requests", deliveries: "Deliveries", control: "Faults, clock, export" };
  return Object.entries(titles).map(([view, title]) =>
    element(
      "li",
      {},
      element("a", { href: addressOf({ ...place, view: /** @type {Place["view"]} */ (view), selected: null }), "aria-current": place.view === view ? "page" : null }, title),
    ),
  );
}

function showSelected() {
  const { selected } = place;
  detail.hidden = selected === null;
  byId("requests").classList.toggle("with-detail", selected !== null);
  const box = byId("detail-content");
  if (selected === null) {
    fill(box);
    delete box.dataset["shows"];
    return;
  }
  const key = keyOf(asKeyed(selected));
  if (box.dataset["shows"] === key) return;
  const row = rows.all.find((known) => keyOf(known) === key);
  isShown = showRequest(box, { ...selected, firstEvent: row?.firstEvent ?? null, onStep: setStep });
  detail.scrollTop = 0;
}

/**
 * Go to the faults of a session with a step to begin with.
 *
 * @param {string} session
 * @param {object} step
 */
function setStep(session, step) {
  nextStep = step;
  go({ ...place, session, view: "control", selected: null });
}

/**
 * @param {Place} next
 * @param {{replace?: boolean}} [options]
 */
function go(next, { replace = false } = {}) {
  const address = addressOf(next);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  onAddress();
}

/**
 * @param {Row} row
 * @param {boolean} andFocus
 */
function select(row, andFocus) {
  go({ ...place, selected: { session: row.session, request: row.request.id } }, { replace: place.selected !== null });
  if (andFocus) void isShown.then(() => byId("detail-content").querySelector("h2")?.focus());
}

function close() {
  go({ ...place, selected: null });
  byId("list").focus();
}

function onFilter() {
  const filter = { text: filters.text.value, verdict: filters.verdict.value, protocol: filters.protocol.value, type: filters.type.value };
  go({ ...place, filter }, { replace: true });
}

function togglePause() {
  paused = paused === null ? rows.shown(place.session, place.filter) : null;
  byId("pause").setAttribute("aria-pressed", String(paused !== null));
  fill(byId("pause"), paused === null ? "Pause" : "Go on");
  scheduleDraw();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select, dialog[open]") !== null;
  if (event.key === "Escape" && place.selected !== null && document.querySelector("dialog[open]") === null) close();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    "/": () => filters.text.focus(),
    j: () => list.move(1),
    k: () => list.move(-1),
    p: togglePause,
    "?": showHelp,
  };
  const action = actions[/** @type {keyof typeof actions} */ (event.key)];
  if (action === undefined) return;
  event.preventDefault();
  action();
}

function showHelp() {
  /** @type {HTMLDialogElement} */ (byId("help")).showModal();
}

/** Ask for the admin token until the server takes it. */
async function logIn() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("login"));
  for (let isOpen = false; ; ) {
    try {
      await send("/protocols");
      if (isOpen) dialog.close();
      return;
    } catch (error) {
      if (!(error instanceof RefusedError) || error.status !== 401) return;
      if (isOpen) fill(byId("login-problem"), "The server does not take this token.");
    }
    if (!isOpen) dialog.showModal();
    isOpen = true;
    await new Promise((resolve) => {
      byId("login-form").addEventListener("submit", (event) => {
        event.preventDefault();
        useToken(input("token").value);
        resolve(null);
      }, { once: true });
    });
  }
}

async function main() {
  addEventListener("resize", () => {
    if (place.view === "deliveries") requestAnimationFrame(drawDeliveries);
  });
  addEventListener("hashchange", onAddress);
  addEventListener("popstate", onAddress);
  addEventListener("keydown", onKey);
  byId("filters").addEventListener("input", onFilter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("pause").addEventListener("click", togglePause);
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    byId("list").focus();
  });
  byId("close").addEventListener("click", close);
  byId("help-button").addEventListener("click", showHelp);
  onAddress();
  await logIn();
  onAddress();
  await follow("/stream", { onEvent, onState, signal: new AbortController().signal });
}

void main();
