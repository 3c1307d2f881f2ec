// Faults, clock and exports of a session.

import { call, ofSession, send } from "./api.js";
import { element, fill } from "./dom.js";
import { inline } from "./json_view.js";
import { duration, printable } from "./text.js";

/** @typedef {{steps: (Record<string, unknown> & {remaining: number | null})[]}} Steps */
/** @typedef {{now: string, offset_ms: number, frozen: boolean, real_now: string}} Clock */

/** Milliseconds between two readings of the faults and the clock, which others may change. */
const REFRESH_MS = 1_000;
const UNITS = { milliseconds: 1, seconds: 1_000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };
/** What can be downloaded, by the name of its file. */
const DOWNLOADS = {
  "recording.ndjson": "/export?format=recording",
  "recording.har": "/export?format=har",
  "cassette.yaml": "/export?format=vcr",
  "case.yaml": "/export?format=case",
  "exchanges.ndjson": "/export?format=ndjson",
  "report.html": "/report?format=html",
};

/** What a fault step does, as a choice of the form, with the members that it adds to the step. */
const KINDS = {
  "reply 503": { reply: { status: 503 } },
  "reply 429": { reply: { status: 429 } },
  "reply 500": { reply: { status: 500 } },
  "reset the connection": { connection: "reset" },
  "close without a reply": { connection: "drop" },
  "store the events, lose the reply": { connection: "drop", when: "after_commit" },
  "send half of the reply": { connection: "truncate" },
  "send invalid HTTP": { connection: "malformed" },
  "delay by 2 seconds": { delay_ms: 2_000 },
};

/**
 * Show the faults, the clock and the exports of a session.
 *
 * @param {HTMLElement} box
 * @param {string} session
 * @param {object | null} step A fault step to begin with.
 */
export async function showControl(box, session, step) {
  const shows = `control ${session}`;
  box.dataset["shows"] = shows;
  const faults = element("section", { "aria-labelledby": "faults-title" });
  const clock = element("section", { "aria-labelledby": "clock-title" });
  fill(box, faults, clock, exports(session));
  const refreshes = [showFaults(faults, session, step), showClock(clock, session)];
  const timer = setInterval(() => {
    if (box.dataset["shows"] !== shows || !faults.isConnected) clearInterval(timer);
    else if (!document.hidden) for (const refresh of refreshes) void refresh();
  }, REFRESH_MS);
  await Promise.all(refreshes.map((refresh) => refresh()));
}

/**
 * Return a function that reads something and shows it. Others may change it too: it is read again and again. While the
 * server cannot be reached, what was read last stays.
 *
 * @template Reading
 * @param {HTMLElement} box
 * @param {string} path
 * @param {(reading: Reading) => (Node | Node[])} draw
 */
function shownFrom(box, path, draw) {
  let before = "";
  return async () => {
    try {
      const reading = await call(path);
      const now = JSON.stringify(reading);
      if (now !== before) fill(box, draw(/** @type {Reading} */ (reading)));
      before = now;
    } catch (error) {
      if (before === "") fill(box, printable(error instanceof Error ? error.message : String(error)));
    }
  };
}

/**
 * Run a control call that a form asks for, and say in the form if it is refused.
 *
 * @param {HTMLElement} said
 * @param {() => Promise<string>} work Returns what to say when it succeeded.
 */
async function attempt(said, work) {
  try {
    fill(said, await work());
    said.className = "said";
  } catch (error) {
    fill(said, printable(error instanceof Error ? error.message : String(error)));
    said.className = "said refused";
  }
}

/**
 * @param {HTMLElement} box
 * @param {string} session
 * @param {object | null} step
 */
function showFaults(box, session, step) {
  const path = ofSession(session, "/faults");
  const said = element("p", { class: "said", role: "status" });
  const list = element("div");
  const kind = element("select", { id: "fault-kind" }, Object.keys(KINDS).map((name) => element("option", {}, name)));
  const text = element("textarea", { id: "fault-step", rows: "8", spellcheck: "false" });
  const refresh = shownFrom(list, path, stepsOf);
  const base = { match: {}, times: 1, ...step };
  const write = () => {
    const { match, times } = base;
    text.value = JSON.stringify({ match, times, ...KINDS[/** @type {keyof typeof KINDS} */ (kind.value)] }, null, 2);
  };
  kind.addEventListener("change", write);
  write();
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    void attempt(said, async () => {
      await call(path, { method: "POST", body: JSON.parse(text.value) });
      await refresh();
      return "The step was added.";
    });
  };
  const remove = () =>
    void attempt(said, async () => {
      await call(path, { method: "DELETE" });
      await refresh();
      return "All steps were removed.";
    });
  fill(
    box,
    element("h2", { id: "faults-title" }, "Faults"),
    element("p", {}, "The first step that fits a request and has uses left is applied to it. One with an empty match fits every request."),
    list,
    element(
      "form",
      { onsubmit: add },
      element("label", { for: "fault-kind" }, "What happens"),
      kind,
      element("label", { for: "fault-step" }, "Step"),
      text,
      element("div", { class: "actions" }, element("button", {}, "Add the step"), element("button", { type: "button", onclick: remove }, "Remove all steps")),
    ),
    said,
  );
  return refresh;
}

/** @param {Steps} steps */
function stepsOf({ steps }) {
  if (steps.length === 0) return element("p", { class: "hint" }, "There are no steps.");
  return element(
    "ol",
    { class: "steps" },
    steps.map(({ remaining, ...step }) =>
      element("li", { class: remaining === 0 ? "used-up" : null }, element("code", {}, inline(step)), " ", element("span", { class: "hint" }, usesOf(remaining))),
    ),
  );
}

/** @param {number | null} remaining */
function usesOf(remaining) {
  if (remaining === null) return "no limit";
  return remaining === 0 ? "used up" : `${remaining.toLocaleString("en")} left`;
}

/**
 * @param {HTMLElement} box
 * @param {string} session
 */
function showClock(box, session) {
  const path = ofSession(session, "/clock");
  const said = element("p", { class: "said", role: "status" });
  const reading = element("dl", { class: "summary" });
  const amount = element("input", { id: "clock-amount", type: "number", value: "1", step: "any" });
  const unit = element("select", { "aria-label": "Unit" }, Object.keys(UNITS).map((name) => element("option", { selected: name === "hours" }, name)));
  const moment = element("input", { id: "clock-moment", type: "text", placeholder: "2026-06-14T12:00:00Z", autocomplete: "off" });
  const frozen = element("input", { id: "clock-frozen", type: "checkbox" });
  const refresh = shownFrom(reading, path, readingOf);
  const change = (/** @type {string} */ rest, /** @type {{method: string, body?: unknown}} */ options, /** @type {string} */ done) =>
    void attempt(said, async () => {
      await call(path + rest, options);
      await refresh();
      return done;
    });
  const advance = (/** @type {Event} */ event) => {
    event.preventDefault();
    const ms = Math.round(Number(amount.value) * UNITS[/** @type {keyof typeof UNITS} */ (unit.value)]);
    change("/advance", { method: "POST", body: { ms } }, "The clock was moved.");
  };
  const set = (/** @type {Event} */ event) => {
    event.preventDefault();
    change("", { method: "PUT", body: { now: moment.value.trim(), frozen: frozen.checked } }, "The clock was set.");
  };
  const stop = (/** @type {boolean} */ isFrozen, /** @type {string} */ done) =>
    void attempt(said, async () => {
      const { now } = /** @type {Clock} */ (await call(path));
      await call(path, { method: "PUT", body: { now, frozen: isFrozen } });
      await refresh();
      return done;
    });
  fill(
    box,
    element("h2", { id: "clock-title" }, "Clock"),
    reading,
    element("form", { onsubmit: advance, class: "inline" }, element("label", { for: "clock-amount" }, "Advance by"), amount, unit, element("button", {}, "Advance")),
    element(
      "form",
      { onsubmit: set, class: "inline" },
      element("label", { for: "clock-moment" }, "Set to"),
      moment,
      element("span", {}, frozen, element("label", { for: "clock-frozen" }, "frozen")),
      element("button", {}, "Set"),
    ),
    element(
      "div",
      { class: "actions" },
      element("button", { type: "button", onclick: () => stop(true, "The clock is frozen.") }, "Freeze"),
      element("button", { type: "button", onclick: () => stop(false, "The clock runs.") }, "Let it run"),
      element("button", { type: "button", onclick: () => change("", { method: "DELETE" }, "The clock shows real time.") }, "Back to real time"),
    ),
    said,
  );
  return refresh;
}

/** @param {Clock} clock */
function readingOf({ now, offset_ms: offset, frozen, real_now: real }) {
  /** @type {[string, string][]} */
  const facts = [
    ["Session time", `${now}${frozen ? " (frozen)" : ""}`],
    ["Real time", real],
    ["Offset", offset === 0 ? "none" : duration(offset)],
  ];
  return facts.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value)));
}

/** @param {string} session */
function exports(session) {
  const said = element("p", { class: "said", role: "status" });
  const download = (/** @type {string} */ file, /** @type {string} */ path) =>
    void attempt(said, async () => {
      const response = await send(ofSession(session, path));
      const url = URL.createObjectURL(await response.blob());
      element("a", { href: url, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      return `${file} was downloaded.`;
    });
  return element(
    "section",
    { "aria-labelledby": "export-title" },
    element("h2", { id: "export-title" }, "Export"),
    element("p", {}, "No file has credentials. Recordings, HAR archives, cassettes for vcrpy and golden cases have no personal data either."),
    element(
      "div",
      { class: "actions" },
      Object.entries(DOWNLOADS).map(([file, path]) => element("button", { type: "button", onclick: () => download(file, path) }, `Download ${file}`)),
    ),
    said,
  );
}
