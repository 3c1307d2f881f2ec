// A request as something to paste: a command, a test, a fault step.

/** @typedef {import("./types.js").RequestDetail} RequestDetail */
/** @typedef {import("./types.js").EventRow} EventRow */

/** Headers that whoever sends the request makes anew. */
const MADE_ANEW = new Set([
  "host", "content-length", "connection", "accept-encoding", "transfer-encoding", "keep-alive", "te", "expect",
  "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user", "upgrade-insecure-requests",
]);

/** Characters from which on a name of a session is not found in a request by chance. */
const SURE_LENGTH = 7;

/** Characters of a body that is an argument of curl: Linux takes 128 kB. */
const LONGEST_ARGUMENT = 30_000;

/**
 * Return the request as a command for curl.
 *
 * @param {RequestDetail} detail
 * @param {string} session
 */
export function curlOf({ method, path, request }, session) {
  const target = location.origin + (namesSession(path, request, session) ? path : `/_mock/s/${encodeURIComponent(session)}${path}`);
  const hasBody = "base64" in request.body || request.body.text !== "";
  const words = ["curl --include --globoff --path-as-is"];
  if (method === "HEAD" && !hasBody) words.push("--head");
  else if (method !== "GET" || hasBody) words.push(`--request ${shellQuoted(method)}`);
  words.push(shellQuoted(target));
  for (const [name, value] of keptHeaders(request)) {
    words.push(`--header ${shellQuoted(value === "" ? `${name};` : `${name}: ${value}`)}`);
  }
  const encoded = encodedBody(request.body);
  if (encoded !== null) words.push("--data-binary @-");
  else if ("text" in request.body && request.body.text !== "") words.push(`--data-raw ${shellQuoted(request.body.text)}`);
  const command = words.join(" \\\n  ");
  return encoded === null ? command : `echo ${encoded} | base64 --decode | ${command}`;
}

/**
 * Return the request as a test for pytest, which expects the same status and the same verdicts.
 *
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 */
export function pytestOf({ method, path, request, status, operation, session_time: at }, events) {
  const body = "base64" in request.body ? `base64.b64decode(${pythonQuoted(request.body.base64)})` : `${pythonQuoted(request.body.text)}.encode()`;
  const headers = keptHeaders(request).map(([name, value]) => `        ${pythonQuoted(name)}: ${pythonQuoted(value)},`);
  const verdicts = events.map(({ verdict }) => pythonQuoted(verdict)).join(", ");
  return [
    ...("base64" in request.body ? ["import base64"] : []),
    "import urllib.error",
    "import urllib.request",
    "",
    "",
    `def test_${(operation ?? "request").replaceAll(/\W/g, "_").toLowerCase()}(mock_server):`,
    `    mock_server.clock.freeze(${pythonQuoted(at)})`,
    `    url = mock_server.base_url + ${pythonQuoted(path)}`,
    "    headers = {",
    ...headers,
    "    }",
    `    body = ${body}`,
    `    request = urllib.request.Request(url, data=body or None, headers=headers, method=${pythonQuoted(method)})`,
    "    try:",
    "        status = urllib.request.urlopen(request).status",
    "    except urllib.error.HTTPError as error:",
    "        status = error.code",
    `    assert status == ${status ?? "None"}`,
    `    assert [event.verdict for event in mock_server.events()] == [${verdicts}]`,
    "",
  ].join("\n");
}

/**
 * Return a fault step that refuses the next request like this one with 503.
 *
 * @param {RequestDetail} detail
 * @param {EventRow[]} events
 */
export function stepOf({ protocol, operation }, events) {
  const type = events.length === 1 ? events[0]?.type : null;
  const match = {
    ...(protocol === null ? {} : { protocol }),
    ...(operation === null ? {} : { operation }),
    ...(type === null || type === undefined ? {} : { type, verdict: "any" }),
  };
  return { match, times: 1, reply: { status: 503 } };
}

/**
 * Return whether a request surely selects its session by itself, as by a key in its path, its headers or its body.
 *
 * @param {string} path
 * @param {import("./types.js").Message} request
 * @param {string} session
 */
function namesSession(path, { headers, body }, session) {
  if (session === "default") return true;
  if (session.length < SURE_LENGTH) return headers.some(([name, value]) => name.toLowerCase() === "x-mock-session" && value === session);
  const parts = [path, ...headers.map(([, value]) => value), "text" in body ? body.text : ""];
  return parts.some((part) => part.includes(session));
}

/** @param {import("./types.js").Message} request */
function keptHeaders({ headers }) {
  return headers.filter(([name]) => !MADE_ANEW.has(name.toLowerCase()));
}

/** @param {string} text */
function shellQuoted(text) {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Return a string literal of Python. Those of JSON are, but for surrogates.
 *
 * @param {string} text
 */
function pythonQuoted(text) {
  return JSON.stringify(text).replaceAll(/[\u007f-\u00a0\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (character) =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Return a body in Base64 if it cannot be an argument of a command: it is not text, has a NUL, or is too long.
 *
 * @param {import("./types.js").Body} body
 */
function encodedBody(body) {
  if ("base64" in body) return body.base64;
  return body.text.includes("\0") || body.text.length > LONGEST_ARGUMENT ? base64Of(body.text) : null;
}

/** @param {string} text */
function base64Of(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
