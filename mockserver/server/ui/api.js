// The control surface of the server that this page came from. The page uses nothing else.

/** @typedef {import("./types.js").StreamEvent} StreamEvent */

const BASE = "/_mock";
const TOKEN = "mockserver-admin-token";
/** Milliseconds until the stream is opened again after it ended. */
const REOPEN_MS = 1000;

/** A control call that was refused; `message` is what the server says about it. */
export class RefusedError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * Return the path of a control call.
 *
 * @param {string} session
 * @param {string} rest What is behind the name of the session, with a slash if there is something.
 */
export function ofSession(session, rest = "") {
  return `/sessions/${encodeURIComponent(session)}${rest}`;
}

/** @type {string | null} */
let adminToken = keptToken();

/**
 * Remember the admin token until the tab is closed. It is only ever sent in a header.
 *
 * @param {string} token
 */
export function useToken(token) {
  adminToken = token;
  try {
    sessionStorage.setItem(TOKEN, token);
  } catch {
    // The browser keeps nothing for this page: the token has to be entered again after a reload.
  }
}

function keptToken() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/**
 * Send a control call and return its reply. Rejects with RefusedError if it is refused, with TypeError if the server
 * cannot be reached.
 *
 * @param {string} path
 * @param {{method?: string, body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 */
export async function send(path, { method = "GET", body, signal, headers = {} } = {}) {
  const response = await fetch(BASE + path, {
    method,
    signal: signal ?? null,
    cache: "no-store",
    headers: {
      ...(adminToken === null ? {} : { Authorization: `Bearer ${adminToken}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!response.ok) throw new RefusedError(response.status, await problemOf(response));
  return response;
}

/**
 * Send a control call and return the JSON of its reply, numbers that JavaScript cannot hold as texts of their digits.
 *
 * @param {string} path
 * @param {Parameters<typeof send>[1]} [options]
 */
export async function call(path, options) {
  const response = await send(path, options);
  return response.status === 204 ? null : parseExactly(await response.text());
}

/** @param {Response} response */
async function problemOf(response) {
  const text = await response.text();
  try {
    return String(JSON.parse(text).detail ?? text);
  } catch {
    return text || response.statusText;
  }
}

/** A number as it was written, where JavaScript would change it. */
export class ExactNumber {
  /** @param {string} digits */
  constructor(digits) {
    this.digits = digits;
  }
}

/**
 * Parse JSON. A number that JavaScript would change becomes an ExactNumber, if the browser tells how it was written.
 *
 * @param {string} text
 */
export function parseExactly(text) {
  const reviver = (/** @type {string} */ _, /** @type {unknown} */ value, /** @type {{source?: string}} */ context) =>
    typeof value === "number" && context?.source !== undefined && JSON.stringify(value) !== context.source
      ? exactly(value, context.source)
      : value;
  return JSON.parse(text, /** @type {(key: string, value: unknown) => unknown} */ (reviver));
}

/**
 * @param {number} value
 * @param {string} source
 */
function exactly(value, source) {
  const isSafe = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return isSafe && source.length <= 17 ? value : new ExactNumber(source);
}

/**
 * Follow a stream until the server refuses it, and return its refusal. When the stream ends, it is opened again behind
 * the last event that was received.
 *
 * While nobody sees the page it has no connection: a browser opens only six to a server, for all its tabs.
 *
 * @param {string} path
 * @param {{
 *   cursor: string,
 *   onEvent: (event: StreamEvent) => void,
 *   onState: (state: "live" | "lost", detail: string) => void,
 * }} options `cursor` is where it begins.
 * @returns {Promise<{refusal: RefusedError, cursor: string}>}
 */
export async function follow(path, { cursor, onEvent, onState }) {
  for (;;) {
    await untilVisible();
    const signal = hiddenSignal();
    try {
      const response = await send(`${path}?after=${encodeURIComponent(cursor)}`, { signal });
      onState("live", "");
      for await (const event of eventsOf(response)) {
        if (event.id !== "") cursor = event.id;
        onEvent(event);
      }
      if (signal.aborted) continue;
      onState("lost", "the server ended the stream");
    } catch (error) {
      if (signal.aborted) continue;
      if (error instanceof RefusedError && error.status < 500) return { refusal: error, cursor };
      onState("lost", error instanceof Error ? error.message : String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
  }
}

/** Wait until somebody can see the page. */
async function untilVisible() {
  while (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

/** Return a signal that aborts when nobody can see the page any more. */
function hiddenSignal() {
  const controller = new AbortController();
  const look = () => {
    if (!document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    controller.abort();
  };
  document.addEventListener("visibilitychange", look);
  return controller.signal;
}

/**
 * Yield the server-sent events of a reply. The fields are those that the server writes: `id`, `event`, `data`.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<StreamEvent>}
 */
async function* eventsOf(response) {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (unread + value).split("\n\n");
      unread = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} block
 * @returns {StreamEvent | null}
 */
function eventOf(block) {
  let [id, name, data] = ["", "", ""];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "id") id = value;
    else if (field === "event") name = value;
    else if (field === "data") data += value;
  }
  return name === "" ? null : { id, name, data: JSON.parse(data) };
}
