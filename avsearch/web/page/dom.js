// Building the page. Text from outside only ever becomes a text node or an attribute's value.

const SVG = "http://www.w3.org/2000/svg";

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element. `on` holds listeners by event; `null` and `false` leave an attribute out, `true` sets it empty.
 * Children are nodes, texts, or nothing.
 */
export function make(tag, { on = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** One of the drawings in index.html. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#i-${name}` }));
}

/** A button that is an icon; its name is its tooltip as well. */
export function iconButton(name, label, onClick, attributes = {}) {
  const { class: more = "", ...others } = attributes;
  const on = onClick ? { click: onClick } : {};
  return make("button", { type: "button", class: `tool ${more}`.trim(), "aria-label": label, title: label, on, ...others }, icon(name));
}

/** A name from outside, isolated so that right-to-left letters in it move nothing around it. */
export const name = (text) => make("bdi", {}, printable(text));

/** Characters that show as nothing, or that steer, would hide what a name is. */
export function printable(text) {
  return String(text).replace(/(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "\uFFFD");
}

/** A command to be typed in a shell, with a button that copies it. */
export function command(text, onCopy) {
  return make("span", { class: "command" }, make("code", {}, text), iconButton("copy", "Copy the command", () => onCopy(text)));
}

/** Say something to those who listen rather than look. */
export function announce(text) {
  byId("status").textContent = text;
}

/** What to do after `wait_ms` without another call. */
export function debounced(action, wait_ms) {
  let timer = 0;
  const call = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(action, wait_ms, ...values);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
