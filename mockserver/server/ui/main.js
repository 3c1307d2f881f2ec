// The page: it follows the stream, and shows what its address names.

import { addressOf, placeOf } from "./address.js";
import { follow } from "./api.js";
import { showControl } from "./control.js";
import { Deliveries } from "./deliveries.js";
import { forgetRequest, showRequest } from "./detail.js";
import { byId, element, fill, redraw, say } from "./dom.js";
import { Filters, tellCount } from "./filters.js";
import { showFirstSteps } from "./first_steps.js";
import { List, keyOf } from "./list.js";
import { logIn } from "./login.js";
import { Rows } from "./rows.js";
import { leaveScore, showScore } from "./score.js";
import { Sessions } from "./sessions.js";
import { counted, printable } from "./text.js";

/** @typedef {import("./types.js").StreamEvent} StreamEvent */
/** @typedef {import("./address.js").Place} Place */
/** @typedef {import("./rows.js").Row} Row */

const rows = new Rows();
const list = new List(byId("list"), select);
const sessions = new Sessions(byId("sessions"), byId("session-filter"), byId("session-note"), scheduleDraw);
const filters = new Filters((filter) => go({ ...place, filter }, { replace: true }));
const detail = byId("detail");
const detailContent = byId("detail-content");
const deliveries = new Deliveries(byId("view"), addressOfRequest);

let place = placeOf(location.hash);
/** @type {Row[] | null} What is shown while the page is paused. */
let paused = null;
/** Whether the server has let this page in. */
let isIn = false;
let isDrawing = false;
/** @type {object | null} */
let nextStep = null;
/** Ends when the selected request is shown. */
let isShown = Promise.resolve();

/**
 * Take in an event of the stream.
 *
 * @param {StreamEvent} event
 */
function onEvent({ name, data }) {
  if (name === "request") {
    rows.add(data);
    if (place.selected !== null && keyOf(asKeyed(place.selected)) === keyOf(data)) showSelected();
  } else if (name === "deleted") {
    rows.forget(data.session);
  } else if (name === "evicted") {
    onEvicted(data);
  }
  if (place.view === "deliveries" && [null, place.session].includes(data.session)) deliveries.refresh();
  scheduleDraw();
  void sessions.refresh();
}

/** @param {import("./types.js").StreamedEviction} eviction */
function onEvicted({ session, reason, requests }) {
  if (reason === "restart") {
    rows.clear();
    forgetRequest(detailContent);
    showSelected();
    notify("The server was restarted: what it had received before is gone.");
  } else if (reason === "max_sessions" || reason === "memory_limit") {
    if (session !== null) rows.forget(session);
    notify(`The session ${printable(session ?? "")} was evicted (--${reason.replace("_", "-")}).`);
  } else {
    const lost = requests === null ? "Requests are" : requests === 1 ? "1 request is" : `${counted(requests, "request")} are`;
    notify(`${lost} not shown: no longer kept by the server.`);
  }
}

/** @param {string} text */
function notify(text) {
  fill(byId("notice"), text);
  byId("dismiss").hidden = text === "";
}

/**
 * @param {"live" | "lost" | "refused"} state
 * @param {string} reason
 */
function onState(state, reason) {
  const texts = { live: "live", lost: "connection lost, connecting again", refused: `refused: ${printable(reason)}` };
  say(byId("state"), texts[state]);
  byId("state").className = state;
  byId("state").title = printable(reason);
  if (state === "live") {
    void sessions.refresh();
    showSelected();
  }
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
  const fitting = rows.shown(place.session, place.filter);
  const shown = paused ?? fitting;
  const isRequests = isIn && place.view === "requests";
  const isEmpty = isRequests && sessions.areEmpty && rows.all.length === 0;
  byId("empty").hidden = !isEmpty;
  byId("requests").hidden = !isRequests || isEmpty;
  byId("filters").hidden = !isRequests || isEmpty;
  byId("view").hidden = !isIn || isRequests;
  if (isEmpty) void showFirstSteps(byId("empty"));
  list.show(shown, { selected: place.selected === null ? null : keyOf(asKeyed(place.selected)), session: place.session });
  tellCount(shown, { filter: place.filter, dropped: rows.dropped, waiting: paused === null ? 0 : newIn(fitting, paused) });
  filters.offer(rows, place.filter);
}

/**
 * Return how many rows came after the newest of some others.
 *
 * @param {Row[]} all The newest first.
 * @param {Row[]} others
 */
function newIn(all, [newest]) {
  const index = newest === undefined ? -1 : all.indexOf(newest);
  return index < 0 ? all.length : index;
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
  if (!isIn) return;
  if (addressOf({ ...before, selected: null }) !== addressOf({ ...place, selected: null })) paused = paused === null ? null : rows.shown(place.session, place.filter);
  filters.show(place.filter);
  redraw(byId("views"), viewLinks());
  sessions.show(place);
  document.title = place.session === null ? "mockserver" : `${printable(place.session)} · mockserver`;
  showSelected();
  showView(before);
  draw();
  list.reveal();
}

/** @param {Place} before */
function showView(before) {
  const isSame = before.view === place.view && before.session === place.session && byId("view").childElementCount > 0;
  if (place.view !== "score") leaveScore();
  if (place.session === null || place.view === "requests") {
    fill(byId("view"));
  } else if (place.view === "deliveries") {
    deliveries.show(place.session);
  } else if (place.view === "score") {
    void showScore(byId("view"), place.session, addressOfRequest);
  } else if (!isSame || nextStep !== null) {
    void showControl(byId("view"), place.session, nextStep);
    nextStep = null;
  }
}

/**
 * @param {string} session
 * @param {string} request
 */
function addressOfRequest(session, request) {
  return addressOf({ ...place, view: "requests", selected: { session, request } });
}

function viewLinks() {
  if (place.session === null) return [];
  const titles = { requests: "Requests", deliveries: "Deliveries", score: "Rules", control: "Faults, clock, export" };
  return Object.entries(titles).map(([view, title]) =>
    element(
      "li",
      {},
      element(
        "a",
        {
          href: addressOf({ ...place, view: /** @type {Place["view"]} */ (view), selected: null }),
          "aria-current": place.view === view ? "page" : null,
          "data-key": view,
        },
        title,
      ),
    ),
  );
}

/** Show the selected request; the focus goes along where what has it is hidden. */
function showSelected() {
  const { selected } = place;
  const focused = document.activeElement;
  const wasInDetail = detail.contains(focused);
  detail.hidden = selected === null;
  byId("requests").classList.toggle("with-detail", selected !== null);
  if (selected === null) {
    forgetRequest(detailContent);
    fill(detailContent);
    if (wasInDetail) focusList();
    return;
  }
  const row = rows.all.find((known) => keyOf(known) === keyOf(asKeyed(selected)));
  const shown = showRequest(detailContent, { ...selected, firstEvent: row?.firstEvent ?? null, onStep: setStep });
  if (shown === null) return;
  isShown = shown;
  detail.scrollTop = 0;
  if (byId("list").contains(focused) && byId("list").getClientRects().length === 0) focusDetail();
}

function focusDetail() {
  void isShown.then(() => detailContent.querySelector("h2")?.focus());
}

/** Focus the list, or the page where there is none. */
function focusList() {
  byId("list").focus();
  if (document.activeElement !== byId("list")) byId("main").focus();
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
  if (andFocus) focusDetail();
}

function close() {
  go({ ...place, selected: null });
  focusList();
}

function togglePause() {
  paused = paused === null ? rows.shown(place.session, place.filter) : null;
  byId("pause").setAttribute("aria-pressed", String(paused !== null));
  fill(byId("pause"), paused === null ? "Pause" : "Resume");
  scheduleDraw();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
  const isElsewhere = isTyping || document.querySelector("dialog[open]") !== null;
  if (isElsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
  const ofRequests = {
    Escape: () => place.selected !== null && close(),
    "/": () => filters.focus(),
    j: () => list.move(1),
    k: () => list.move(-1),
    p: togglePause,
  };
  const actions = byId("requests").hidden ? { "?": showHelp } : { ...ofRequests, "?": showHelp };
  const action = actions[/** @type {keyof typeof actions} */ (event.key)];
  if (action === undefined) return;
  event.preventDefault();
  action();
}

function showHelp() {
  /** @type {HTMLDialogElement} */ (byId("help")).showModal();
}

async function main() {
  addEventListener("resize", () => {
    if (place.view === "deliveries") deliveries.fit();
  });
  addEventListener("popstate", onAddress);
  addEventListener("keydown", onKey);
  byId("pause").addEventListener("click", togglePause);
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    focusList();
  });
  byId("close").addEventListener("click", close);
  byId("help-button").addEventListener("click", showHelp);
  byId("dismiss").addEventListener("click", () => {
    notify("");
    byId("main").focus();
  });
  for (let cursor = "0"; ; ) {
    await logIn();
    isIn = true;
    forgetRequest(detailContent);
    onAddress();
    const end = await follow("/stream", { cursor, onEvent, onState });
    onState("refused", end.refusal.message);
    if (end.refusal.status !== 401) return;
    cursor = end.cursor;
  }
}

void main();
