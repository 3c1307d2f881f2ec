// Copying to the clipboard, also where the browser gives pages none: those that came over HTTP from another machine.

import { element, fill } from "./dom.js";
import { printable } from "./text.js";

/**
 * Copy a text, and say so. Where that is not possible, the text is shown to be copied by hand.
 *
 * @param {string} text
 * @param {string} name What the text is, as in "Copied NAME."
 * @param {HTMLElement} said
 */
export async function copy(text, name, said) {
  if ((await isWritten(text)) || isCopied(text)) {
    fill(said, `Copied ${printable(name)}.`);
    return;
  }
  const area = element("textarea", { readonly: true, rows: "6", "aria-label": `Text to copy ${name}` });
  area.value = text;
  fill(said, "The browser does not let this page copy. Copy the text yourself: ", area);
  area.select();
}

/** @param {string} text */
async function isWritten(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Copy a text as if somebody had selected it.
 *
 * @param {string} text
 */
function isCopied(text) {
  const focused = document.activeElement;
  const area = element("textarea", { readonly: true, class: "aside", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return done;
}
