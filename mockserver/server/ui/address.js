// The address of the page says what it shows, so that it can be shared: #/session/NAME/VIEW?verdict=rejected.

/** @typedef {"requests" | "deliveries" | "score" | "control"} View */
/** @typedef {{text: string, protocol: string, type: string, verdict: string}} Filter */

/**
 * @typedef {object} Place
 * @property {string | null} session The session that is shown; null for all.
 * @property {View} view
 * @property {Filter} filter
 * @property {{session: string, request: string} | null} selected
 */

/** @type {readonly View[]} */
const VIEWS = ["requests", "deliveries", "score", "control"];
/** What the filter of verdicts offers. */
const VERDICTS = ["", "accepted", "duplicate", "rejected", "refused", "warning"];
/** What no session is called, as browsers remove it from paths. */
const NO_NAMES = [".", ".."];

/** @type {Filter} */
const NO_FILTER = { text: "", protocol: "", type: "", verdict: "" };

/**
 * Return the place that an address names; what it does not name has its default.
 *
 * @param {string} hash
 * @returns {Place}
 */
export function placeOf(hash) {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const parts = path.split("/").slice(1).map(decoded);
  const session = parts[0] === "session" ? nameIn(parts[1]) : null;
  const view = session === null ? "requests" : (VIEWS.find((name) => name === parts[2]) ?? "requests");
  const values = new URLSearchParams(query);
  const filter = { ...NO_FILTER };
  for (const name of /** @type {(keyof Filter)[]} */ (Object.keys(NO_FILTER))) filter[name] = values.get(name) ?? "";
  if (!VERDICTS.includes(filter.verdict)) filter.verdict = "";
  const request = values.get("request");
  const owner = nameIn(values.get("of") ?? undefined) ?? session;
  return { session, view, filter, selected: view !== "requests" || !request || owner === null ? null : { session: owner, request } };
}

/**
 * Return the address of a place.
 *
 * @param {Place} place
 */
export function addressOf({ session, view, filter, selected }) {
  const path = session === null ? "" : `session/${encodeURIComponent(session)}${view === "requests" ? "" : `/${view}`}`;
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value !== "") values.set(name, value);
  if (selected !== null) {
    values.set("request", selected.request);
    if (selected.session !== session) values.set("of", selected.session);
  }
  const query = values.toString();
  return `#/${path}${query === "" ? "" : `?${query}`}`;
}

/** @param {string | undefined} text */
function nameIn(text) {
  return text && !NO_NAMES.includes(text) ? text : null;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
