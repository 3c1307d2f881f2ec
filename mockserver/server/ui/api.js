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

/**
 * Remember the admin token until the tab is closed. It is only ever sent in a header.
 *
 * @param {string} token
 */
export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/**
 * Send a control call and return its reply. Rejects with RefusedError if it is refused, with TypeError if the server
 * cannot be reached.
 *
 * @param {string} path
 * @param {{method?: string, body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 */
export async function send(path, { method = "GET", body, signal, headers = {} } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(BASE + path, {
    method,
    signal: signal ?? null,
    cache: "no-store",
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
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
 * Follow a stream until the signal aborts. When it ends, it is opened again behind the last event that was received.
 *
 * @param {string} path
 * @param {{
 *   onEvent: (event: StreamEvent) => void,
 *   onState: (state: "live" | "lost" | "refused", detail: string) => void,
 *   signal: AbortSignal,
 * }} options
 */
export async function follow(path, { onEvent, onState, signal }) {
  let cursor = "0";
  while (!signal.aborted) {
    try {
      const response = await send(`${path}?after=${encodeURIComponent(cursor)}`, { signal });
      onState("live", "");
      for await (const event of eventsOf(response)) {
        if (signal.aborted) return;
        if (event.id !== "") cursor = event.id;
        onEvent(event);
      }
      onState("lost", "the server ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof RefusedError && error.status < 500) {
        onState("refused", error.message);
        return;
      }
      onState("lost", error instanceof Error ? error.message : String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
  }
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
