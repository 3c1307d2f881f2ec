// Asking for the admin token.

import { RefusedError, send, useToken } from "./api.js";
import { byId, fill } from "./dom.js";

/** What a header can carry. */
const POSSIBLE = /^[!-~]+$/;

/** Ask for the admin token until the server takes it. Ends at once if the server needs none, or cannot be reached. */
export async function logIn() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("login"));
  while (await isRefused()) {
    if (!dialog.open) dialog.showModal();
    useToken(await enteredToken(dialog));
    fill(byId("login-problem"), "The server does not take this token.");
  }
  fill(byId("login-problem"));
  byId("login-again").hidden = true;
  dialog.close();
}

async function isRefused() {
  try {
    await send("/protocols");
    return false;
  } catch (error) {
    return error instanceof RefusedError && error.status === 401;
  }
}

/**
 * Return the token that is entered next. Somebody may leave the dialog: a button opens it again.
 *
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>}
 */
function enteredToken(dialog) {
  const again = byId("login-again");
  const done = new AbortController();
  const listening = { signal: done.signal };
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      again.hidden = false;
      again.focus();
    }, listening);
    again.addEventListener("click", () => dialog.showModal(), listening);
    byId("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = /** @type {HTMLInputElement} */ (byId("token")).value.trim();
      if (!POSSIBLE.test(token)) {
        fill(byId("login-problem"), "A token has letters, digits and signs of ASCII only, and no spaces.");
        return;
      }
      done.abort();
      resolve(token);
    }, listening);
  });
}
