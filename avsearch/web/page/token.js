// Questions in a small dialog; above all the one for the token that changes of the library need.

import { byId, make } from "./dom.js";

const dialog = byId("token");
let known = ""; // as long as the page is open

/**
 * Do something that may need the token: `action(token)` is tried with the one that is known, and again with each that
 * is typed, until it is right. Promises its result, or null where it was given up.
 */
export async function withToken(what, action) {
  let wrong = "";
  for (;;) {
    try {
      return await action(known);
    } catch (error) {
      if (error.status !== 401) throw error;
      const typed = await askForToken(what, wrong);
      if (typed === null) return null;
      known = typed;
      wrong = "That is not the token.";
    }
  }
}

/** Promises whether it was confirmed. */
export const confirmed = ({ title, text, yes }) => answered(title, [make("p", {}, text)], yes);

async function askForToken(title, wrong) {
  const field = make("input", { type: "password", name: "token", autocomplete: "off", required: true, autofocus: true, "aria-describedby": "token-wrong" });
  const text = make("p", {}, "This changes the library, so it needs the token that the server was started with (", make("code", {}, "AVSEARCH_TOKEN"), " or ", make("code", {}, "--token-file"), ").");
  const said = make("p", { id: "token-wrong", class: "wrong", role: "alert" }, wrong);
  return (await answered(title, [text, make("label", { class: "field" }, "Token", field), said], "Go on")) ? field.value : null;
}

function answered(title, content, yes) {
  dialog.replaceChildren(make("form", { method: "dialog" },
    make("h2", { id: "token-title" }, title),
    ...content,
    make("div", { class: "buttons" },
      make("button", { type: "submit", class: "primary", value: "yes" }, yes),
      make("button", { type: "button", on: { click: () => dialog.close("") } }, "Cancel"))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
