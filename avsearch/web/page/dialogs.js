// What all dialogs share: a head with a title and a way out.

import { iconButton, make } from "./dom.js";

export function head(id, title, ...tools) {
  const close = iconButton("close", "Close", null, { class: "close", "data-close": true });
  return make("div", { class: "dialog-head" }, make("h2", { id }, title), ...tools, close);
}

/** A click on `data-close`, or beside the dialog, closes it. */
export function closeOnClick() {
  document.addEventListener("click", (event) => {
    const dialog = event.target.closest("dialog");
    if (event.target.closest("[data-close]") || isBeside(event, dialog)) dialog?.close();
  });
}

function isBeside(event, dialog) {
  if (event.target !== dialog || !event.clientX || dialog.classList.contains("small")) return false;
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
