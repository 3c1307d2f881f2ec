// The requests that the stream told of, each as a small row. Bodies are not kept: they are asked for when shown.

/** @typedef {import("./types.js").Verdict} Verdict */
/** @typedef {import("./types.js").Finding} Finding */
/** @typedef {import("./types.js").RequestRow} RequestRow */
/** @typedef {import("./types.js").StreamedRequest} StreamedRequest */
/** @typedef {import("./address.js").Filter} Filter */

/**
 * @typedef {object} Row
 * @property {string} session
 * @property {RequestRow} request
 * @property {Record<Verdict, number>} verdicts
 * @property {string[]} types
 * @property {number | null} firstEvent The number of its first event in the session.
 * @property {Finding | null} reason Why it or one of its events was refused, or else a warning.
 * @property {string} searched What a text filter looks at, in lower case.
 */

/** Rows that are kept; the oldest are dropped. */
export const MOST_ROWS = 50_000;
/** Characters of a row that can be searched. */
const MOST_SEARCHED = 2_000;
/** Types of a row that are kept. */
const MOST_TYPES = 20;
/** Types that are offered. */
const MOST_NAMES = 500;

export class Rows {
  /** @type {Row[]} The oldest first. */
  all = [];
  /** Rows that were dropped because there were too many. */
  dropped = 0;
  /** @type {Set<string>} Protocols that came. */
  protocols = new Set();
  /** @type {Set<string>} Types that came, the first of them. */
  types = new Set();

  /**
   * Add a request of the stream.
   *
   * @param {StreamedRequest} streamed
   */
  add(streamed) {
    const row = rowOf(streamed);
    this.all.push(row);
    if (row.request.protocol !== null) this.protocols.add(row.request.protocol);
    for (const type of row.types) if (this.types.size < MOST_NAMES) this.types.add(type);
    if (this.all.length > MOST_ROWS * 1.1) {
      this.dropped += this.all.length - MOST_ROWS;
      this.all = this.all.slice(-MOST_ROWS);
    }
  }

  /**
   * Remove the rows of a session that no longer exists.
   *
   * @param {string} session
   */
  forget(session) {
    this.all = this.all.filter((row) => row.session !== session);
  }

  /** Remove all rows: the server was restarted. */
  clear() {
    this.all = [];
    this.dropped = 0;
    this.protocols.clear();
    this.types.clear();
  }

  /**
   * Return the rows of a session (null for all) that pass a filter, the newest first.
   *
   * @param {string | null} session
   * @param {Filter} filter
   */
  shown(session, filter) {
    const passes = test(session, filter);
    const rows = this.all.filter(passes);
    return rows.reverse();
  }
}

/**
 * @param {string | null} session
 * @param {Filter} filter
 * @returns {(row: Row) => boolean}
 */
function test(session, { text, protocol, type, verdict }) {
  const searched = text.toLowerCase();
  return (row) =>
    (session === null || row.session === session) &&
    (protocol === "" || row.request.protocol === protocol) &&
    (type === "" || row.types.includes(type)) &&
    (verdict === "" || hasVerdict(row, verdict)) &&
    (searched === "" || row.searched.includes(searched));
}

/**
 * @param {Row} row
 * @param {string} verdict
 */
function hasVerdict(row, verdict) {
  if (verdict === "refused") return isRefused(row);
  if (verdict === "warning") return row.reason?.severity === "warning";
  return row.verdicts[/** @type {Verdict} */ (verdict)] > 0;
}

/**
 * Return whether a request, or one of its events, was refused.
 *
 * @param {Row} row
 */
export function isRefused(row) {
  return row.verdicts.rejected > 0 || row.reason?.severity === "error" || (row.request.status ?? 0) >= 400;
}

/**
 * @param {StreamedRequest} streamed
 * @returns {Row}
 */
function rowOf({ session, request, findings, events }) {
  const verdicts = { accepted: 0, duplicate: 0, rejected: 0 };
  const types = new Set();
  /** @type {Finding | null} */
  let reason = strongest(findings, null);
  for (const event of events) {
    verdicts[event.verdict] += 1;
    if (event.type !== null && types.size < MOST_TYPES) types.add(event.type);
    reason = strongest(event.findings, reason);
  }
  const texts = [session, request.id, request.method, request.path, request.operation, request.status, reason?.message];
  const content = events.length === 0 ? "" : JSON.stringify(events.slice(0, 20).map(({ event }) => event));
  return {
    session,
    request,
    verdicts,
    types: [...types],
    firstEvent: events[0]?.seq ?? null,
    reason: reason === null ? null : { ...reason, expected: null, got: null },
    searched: `${texts.join(" ")} ${content.slice(0, MOST_SEARCHED)}`.toLowerCase(),
  };
}

/**
 * Return the first error of some findings, or else the first of all.
 *
 * @param {Finding[]} findings
 * @param {Finding | null} before What was found before them.
 */
function strongest(findings, before) {
  if (before?.severity === "error") return before;
  return findings.find(({ severity }) => severity === "error") ?? before ?? findings[0] ?? null;
}
