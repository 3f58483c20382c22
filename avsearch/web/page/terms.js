// The list of what is asked with: each term with its sign and weight.

import * as api from "./api.js";
import { find, onSelect, remove, select, selectedTerm } from "./asking.js";
import { byId, icon, iconButton, make, name, printable } from "./dom.js";
import { sideOf, timeOf } from "./query.js";
import { part } from "./stage.js";
import { changeTerm, current, onQuery } from "./store.js";

const list = byId("terms");

onQuery(render);
onSelect(() => render(current()));

for (const input of byId("find").querySelectorAll("input")) {
  input.addEventListener("change", () => find(input.value));
}

function render(query) {
  list.hidden = !query.terms.length;
  document.body.classList.toggle("is-empty", !query.terms.length);
  byId("find").querySelector(`[value=${query.find}]`).checked = true;
  if (list.contains(document.activeElement) && document.activeElement.type === "range") return update(query); // it is being dragged
  return keepFocus(() => list.replaceChildren(...query.terms.map((term) => row(term, query))));
}

/** Draw the list anew, with the focus on the same button of the same term, or else on the first that is there. */
function keepFocus(redraw) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.closest("li").dataset.term;
  redraw();
  if (!focused) return;
  const same = list.querySelector(`[data-term="${key}"] .${[...focused.classList].at(-1)}`);
  (same ?? list.querySelector("button") ?? byId("pick")).focus();
}

function update(query) {
  for (const [at, term] of query.terms.entries()) {
    const figure = list.children[at]?.querySelector(".weight-figure");
    if (figure) figure.textContent = weightText(term);
  }
}

function row(term, query) {
  const isSelected = selectedTerm(query)?.key === term.key;
  const text = make("span", { class: "term-text" }, make("span", { class: "name", title: printable(term.source.name) }, name(term.source.name)), make("span", { class: "note" }, part(term, query.find)));
  const choose = make("button", { type: "button", class: "term-choose", "aria-current": isSelected ? "true" : null, on: { click: () => select(term.key) } }, small(term, query), text);
  const isCombined = query.terms.length > 1 || term.weight < 0;
  return make("li", { class: `term ${term.weight < 0 ? "is-minus" : "is-plus"}`, "data-term": term.key },
    choose,
    iconButton("close", `Remove ${printable(term.source.name)}`, () => remove(term.key), { class: "remove" }),
    isCombined ? weight(term) : null,
  );
}

function small(term, query) {
  const { source } = term;
  if (!source.has_picture || sideOf(term, query.find) === "audio") return make("span", { class: "term-picture" }, icon("sound"));
  const src = source.type === "upload" ? `${api.uploadUrl(source.id)}/thumbnail?at_s=${timeOf(term)}&size=160` : api.thumbnailOf(source.id, 160);
  return make("span", { class: "term-picture" }, make("img", { src, alt: "", draggable: "false" }));
}

/** For or against it, and how much. */
function weight(term) {
  const change = (changed) => changeTerm(term.key, { weight: changed(current().terms.find((it) => it.key === term.key).weight) });
  const sign = iconButton(term.weight > 0 ? "plus" : "minus", term.weight > 0 ? "More of this; press for less of it" : "Less of this; press for more of it", () => change((now) => -now), { class: "sign-toggle" });
  const slider = make("input", { type: "range", min: 0.1, max: 2, step: 0.1, value: Math.abs(term.weight), "aria-label": `Weight of ${printable(term.source.name)}` });
  slider.addEventListener("input", () => change((now) => Math.sign(now) * Number(slider.value)));
  return make("div", { class: "weight" }, sign, slider, make("span", { class: "weight-figure" }, weightText(term)));
}

const weightText = (term) => `${term.weight < 0 ? "−" : "+"}${Math.abs(term.weight).toFixed(1)}`;
