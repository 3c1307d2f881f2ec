// JSON as lines of text, with findings at the places that they are about.

import { ExactNumber } from "./api.js";
import { element } from "./dom.js";
import { printable, shortened } from "./text.js";

/** @typedef {import("./types.js").Finding} Finding */
/** @typedef {{depth: number, name: string | null, value: string, kind: string, comma: boolean, findings: Finding[]}} Line */
/** @typedef {{value: unknown, name: string | null, pointer: string, depth: number, comma: boolean}} Open */

/** Lines that are shown at first; a button shows as many more. */
const LINES = 1_000;
const LONGEST_TEXT = 2_000;
const DEEPEST = 60;

/**
 * Return a JSON value as an element. `explain` makes what is shown below the line of a finding.
 *
 * @param {unknown} value
 * @param {Finding[]} findings Their pointers lead into the value.
 * @param {(finding: Finding) => Node} explain
 */
export function jsonView(value, findings, explain) {
  const lines = linesOf(value, placed(value, findings));
  const box = element("div", { class: "json", role: "group", "aria-label": "JSON" });
  showMore(box, lines, explain, false);
  return box;
}

/**
 * @param {HTMLElement} box
 * @param {Generator<Line>} lines
 * @param {(finding: Finding) => Node} explain
 * @param {boolean} moveFocus
 */
function showMore(box, lines, explain, moveFocus) {
  for (let count = 0; count < LINES; count += 1) {
    const { value: line, done } = lines.next();
    if (done) return;
    const drawn = drawnLine(line);
    box.append(drawn);
    if (moveFocus && count === 0) {
      drawn.tabIndex = -1;
      drawn.focus();
    }
    for (const finding of line.findings) box.append(explain(finding));
  }
  const more = element("button", { type: "button", class: "more" }, `Show ${LINES.toLocaleString("en")} more lines`);
  more.addEventListener("click", () => {
    more.remove();
    showMore(box, lines, explain, true);
  });
  box.append(more);
}

/** @param {Line} line */
function drawnLine({ depth, name, value, kind, comma, findings }) {
  const severity = findings.some((finding) => finding.severity === "error") ? "error" : findings.length > 0 ? "warning" : "";
  const drawn = element(
    "div",
    { class: `line ${severity}` },
    name !== null && [element("span", { class: "name" }, quoted(name)), ": "],
    element("span", { class: kind }, value),
    comma && ",",
  );
  drawn.style.paddingInlineStart = `${Math.min(depth, DEEPEST) * 1.25 + 0.5}em`;
  return drawn;
}

/**
 * Yield the lines of a value, without recursion: what clients send may be nested deeply.
 *
 * @param {unknown} whole
 * @param {Map<string, Finding[]>} findings By pointer.
 * @returns {Generator<Line>}
 */
function* linesOf(whole, findings) {
  const missing = missingIn(findings);
  /** @type {(Open | Line)[]} */
  const left = [{ value: whole, name: null, pointer: "", depth: 0, comma: false }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if ("kind" in next) {
      yield next;
      continue;
    }
    const { value, name, pointer, depth, comma } = next;
    const here = { depth, name, findings: findings.get(pointer) ?? [] };
    const inside = membersOf(value);
    if (inside === null || inside.length === 0) {
      yield { ...here, ...scalar(value), comma };
      continue;
    }
    const [opening, closing] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
    yield { ...here, value: opening, kind: "bracket", comma: false };
    left.push({ depth, name: null, value: closing, kind: "bracket", comma, findings: [] });
    for (const [member, about] of missing.get(pointer) ?? []) {
      if (!has(value, member)) left.push({ depth: depth + 1, name: member, value: "missing", kind: "absent", comma: false, findings: about });
    }
    for (let index = inside.length - 1; index >= 0; index -= 1) {
      const [key, member] = /** @type {[string, unknown]} */ (inside[index]);
      left.push({
        value: member,
        name: Array.isArray(value) ? null : key,
        pointer: `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        depth: depth + 1,
        comma: index < inside.length - 1,
      });
    }
  }
}

/**
 * Return the members that findings are about, by the pointer of what they are in.
 *
 * @param {Map<string, Finding[]>} findings
 */
function missingIn(findings) {
  /** @type {Map<string, [string, Finding[]][]>} */
  const byParent = new Map();
  for (const [place, about] of findings) {
    const cut = place.lastIndexOf("/");
    if (cut < 0) continue;
    const parent = place.slice(0, cut);
    const members = byParent.get(parent) ?? [];
    members.push([unescaped(place.slice(cut + 1)), about]);
    byParent.set(parent, members);
  }
  return byParent;
}

/**
 * Return findings by the pointer at which they are shown: the deepest place that is there, or a member missing in it.
 *
 * @param {unknown} whole
 * @param {Finding[]} findings
 */
function placed(whole, findings) {
  /** @type {Map<string, Finding[]>} */
  const byPlace = new Map();
  for (const finding of findings) {
    const place = shownPlace(whole, finding.pointer);
    const others = byPlace.get(place);
    if (others === undefined) byPlace.set(place, [finding]);
    else others.push(finding);
  }
  return byPlace;
}

/**
 * @param {unknown} whole
 * @param {string} pointer
 */
function shownPlace(whole, pointer) {
  let [value, place] = [whole, ""];
  for (const token of pointer.split("/").slice(1)) {
    const name = unescaped(token);
    const inside = membersOf(value);
    if (inside === null) return place;
    if (!has(value, name)) return inside.length > 0 && !Array.isArray(value) ? `${place}/${token}` : place;
    value = /** @type {Record<string, unknown>} */ (value)[name];
    place = `${place}/${token}`;
  }
  return place;
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function has(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name);
}

/** @param {string} token */
function unescaped(token) {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

/**
 * Return the members of an object or array; null for other values.
 *
 * @param {unknown} value
 */
function membersOf(value) {
  return typeof value === "object" && value !== null && !(value instanceof ExactNumber) ? Object.entries(value) : null;
}

/**
 * Return a value without anything inside as text.
 *
 * @param {unknown} value
 */
function scalar(value) {
  if (value instanceof ExactNumber) return { value: value.digits, kind: "number" };
  if (typeof value === "string") return { value: quoted(shortened(value, LONGEST_TEXT)), kind: "text" };
  const kind = typeof value === "number" ? "number" : typeof value === "object" && value !== null ? "bracket" : "word";
  return { value: JSON.stringify(value) ?? "", kind };
}

/**
 * Return a text as JSON writes it, in which nothing is invisible.
 *
 * @param {string} text
 */
function quoted(text) {
  return printable(JSON.stringify(text));
}

/**
 * Return any value on one line, shortened: for sentences.
 *
 * @param {unknown} value
 */
export function inline(value) {
  const written = JSON.stringify(value, (_, member) => (member instanceof ExactNumber ? member.digits : member));
  return shortened(printable(written ?? ""), 400);
}
