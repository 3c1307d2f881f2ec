// Building elements. Text only ever becomes text nodes, so nothing that a client sent is read as markup.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Create an element. Properties that start with `on` are listeners; the others are attributes, left out if they are
 * null or false and empty if they are true.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} [properties]
 * @param {(Child | Child[])[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  setProperties(made, properties);
  append(made, children);
  return made;
}

/**
 * Create an SVG element, as `element` does.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} [properties]
 * @param {(Child | Child[])[]} children
 * @returns {SVGElementTagNameMap[Name]}
 */
export function svg(name, properties = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  setProperties(made, properties);
  append(made, children);
  return made;
}

/**
 * Return the element of the page with this id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found;
}

/**
 * Replace everything inside an element.
 *
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * Let an element say a text. A text that it says already stays, so that nobody hears it again.
 *
 * @param {Element} parent
 * @param {string} text
 */
export function say(parent, text) {
  if (parent.textContent !== text) parent.textContent = text;
}

/**
 * Replace everything inside an element and keep the focus: it goes to the new element with the same `data-key`, or to
 * the first that can have it if there is none any more.
 *
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
export function redraw(parent, ...children) {
  const focused = document.activeElement;
  const hadFocus = focused !== null && focused !== parent && parent.contains(focused);
  const key = hadFocus ? (focused.closest("[data-key]")?.getAttribute("data-key") ?? null) : null;
  fill(parent, ...children);
  if (!hadFocus) return;
  const same = key === null ? null : parent.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const next = same ?? parent.querySelector("a, button, [tabindex]");
  if (next instanceof HTMLElement || next instanceof SVGElement) next.focus({ preventScroll: true });
}

/**
 * @param {Element} made
 * @param {Record<string, unknown>} properties
 */
function setProperties(made, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
function append(parent, children) {
  for (const child of children.flat()) {
    if (child instanceof Node) parent.append(child);
    else if (child !== null && child !== undefined && child !== false) parent.append(String(child));
  }
}
