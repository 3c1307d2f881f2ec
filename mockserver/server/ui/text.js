// Text of clients as a person can read it safely, and numbers and times in words.

/** Characters that are invisible, or that change the direction or the place of others. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Return a text with every unsafe character as an escape such as \u202e.
 *
 * @param {string} text
 */
export function printable(text) {
  return text.replace(UNSAFE, escaped);
}

/**
 * Return the same, with line breaks and tabs as they are: for blocks of text.
 *
 * @param {string} text
 */
export function printableLines(text) {
  return text.replace(UNSAFE, (character) => (character === "\n" || character === "\t" ? character : escaped(character)));
}

/** @param {string} character */
function escaped(character) {
  return Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");
}

/**
 * Return a text of at most `most` characters, with … in the middle of a longer one.
 *
 * @param {string} text
 * @param {number} most
 */
export function shortened(text, most) {
  if (text.length <= most) return text;
  const half = Math.floor((most - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(text.length - half)}`;
}

/**
 * Return a number with its noun: 1 event, 2 events.
 *
 * @param {number} count
 * @param {string} noun
 * @param {string} [plural]
 */
export function counted(count, noun, plural = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
}

/**
 * Return the time of day of an RFC 3339 time, in the time zone of the reader.
 *
 * @param {string} moment
 */
export function timeOfDay(moment) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return printable(moment);
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
  return `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** @param {number} value */
function twoDigits(value) {
  return String(value).padStart(2, "0");
}

/**
 * Return a duration in milliseconds with a unit that fits.
 *
 * @param {number} ms
 */
export function duration(ms) {
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  if (Math.abs(ms) < 60_000) return `${(ms / 1000).toFixed(2).replace(/\.?0+$/, "")} s`;
  if (Math.abs(ms) < 3_600_000) return `${(ms / 60_000).toFixed(1).replace(/\.0$/, "")} min`;
  return `${(ms / 3_600_000).toFixed(1).replace(/\.0$/, "")} h`;
}
