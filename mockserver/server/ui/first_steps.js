// What to do first, with the address of this server filled in: shown until a request has arrived.

import { copy } from "./clipboard.js";
import { element } from "./dom.js";

/** @typedef {{title: string, text: string, code: string}} Client */

/** @returns {Client[]} */
function clients() {
  const url = location.origin;
  return [
    {
      title: "curl",
      text: "An Outlit pageview, and an event of a type that does not exist:",
      code: [
        `curl -X POST ${url}/api/i/v1/pk_demo/events -H 'Content-Type: application/json' \\`,
        `  -d '{"visitorId": "visitor-123", "events": [{"type": "pageview", "url": "https://example.com/", "path": "/"}, {"type": "nope"}]}'`,
      ].join("\n"),
    },
    {
      title: "Outlit in the browser",
      text: "@outlit/browser:",
      code: `outlit.init({ publicKey: "pk_demo", apiHost: "${url}" });`,
    },
    {
      title: "Whisperr in Python",
      text: "whisperr from PyPI:",
      code: `client = Whisperr(api_key="wrk_demo", base_url="${url}")`,
    },
    {
      title: "Whisperr in Node",
      text: "@whisperr/node:",
      code: `const whisperr = createWhisperr({ apiKey: "wrk_demo", baseUrl: "${url}" });`,
    },
    {
      title: "Whisperr in the browser",
      text: "@whisperr/web:",
      code: `const whisperr = Whisperr.init({ apiKey: "wrk_demo", baseUrl: "${url}" });`,
    },
    {
      title: "Apex",
      text: "Any HTTP client:",
      code: [
        `curl -X POST ${url}/api/events -H 'Content-Type: application/json' \\`,
        `  -d '{"projectKey": "pk_live_demo", "visitorId": "visitor-123", "type": "click", "url": "/pricing"}'`,
      ].join("\n"),
    },
  ];
}

/** Return the first steps as an element. */
export function firstSteps() {
  return element(
    "div",
    { class: "first-steps" },
    element("h2", {}, "No request has arrived yet"),
    element("p", {}, "Point a client at this server. Any well-formed key works; the key names the session. Requests appear here as they arrive."),
    element("div", { class: "clients" }, clients().map(client)),
  );
}

/** @param {Client} client */
function client({ title, text, code }) {
  const said = element("span", { role: "status" });
  return element(
    "section",
    {},
    element("h3", {}, title),
    element("p", {}, text),
    element("pre", { tabindex: "0", "aria-label": `Code for ${title}` }, code),
    element("div", { class: "actions" }, element("button", { type: "button", onclick: () => void copy(code, "the code", said), "aria-label": `Copy the code for ${title}` }, "Copy"), said),
  );
}
