// Filters and options: forms on one side, the query on the other.

import * as api from "./api.js";
import { byId, make, printable, setAttribute } from "./dom.js";
import { withCommands } from "./notices.js";
import { NO_FILTERS, countFilters } from "./query.js";
import { setFilterListener } from "./results.js";
import { change, current, onQuery } from "./store.js";

const MANY = 24; // labels; more of them get a search field
const TEXTS = ["from", "to", "path", "where"];
const LENGTH = /^(\d+(\.\d+)?[smh]?|(\d+:)?\d{1,2}:[0-5]\d(\.\d+)?)?$/i;
const form = byId("filters-form");
const options = byId("options-form");
let labels = [];

/** What there is to choose from. Labels without a media do not count. */
export function setChoices({ roots }) {
  fill("roots", "root", roots.map(({ path }) => ({ value: path, text: path.split("/").pop() || path, title: path })));
}

export async function loadLabels() {
  labels = (await api.labels()).labels;
  byId("labels-search").hidden = labels.length <= MANY;
  showLabels();
}

onQuery(show);
setFilterListener((error) => {
  const field = form.elements.where;
  if (error) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  byId("where-error").replaceChildren(...(error ? [error.message, " ", ...withCommands(error.hint)] : []));
  if (error) byId("filters").open = true;
});

form.addEventListener("submit", (event) => event.preventDefault());
options.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => event.target.id !== "labels-search" && isGood(event.target) && change("filters", { filters: read() }));
options.addEventListener("change", (event) => isGood(event.target) && change("options", { options: readOptions() }));
byId("labels-search").addEventListener("input", showLabels);
byId("filters-clear").addEventListener("click", () => change("filters", { filters: NO_FILTERS }));

/** A length or a number that is none, or out of its range, is marked and not asked with. */
function isGood(field) {
  const { value, name, type, min, max, validity } = field;
  const isLength = name === "from" || name === "to";
  const isBad = (isLength && !LENGTH.test(value.trim())) || (type === "number" && (validity.badInput || (value !== "" && (value < Number(min) || value > Number(max)))));
  if (name !== "where") setAttribute(field, "aria-invalid", isBad && "true");
  return !isBad;
}

function read() {
  const chosen = (field) => [...form.querySelectorAll(`[name=${field}]:checked`)].map((box) => box.value);
  const texts = Object.fromEntries(TEXTS.map((field) => [field, form.elements[field].value.trim()]));
  return { kinds: chosen("kind"), labels: chosenLabels(), roots: chosen("root"), ...texts };
}

/** Those that are ticked, and those chosen before that the search field hides now. */
function chosenLabels() {
  const boxes = [...form.querySelectorAll("[name=label]")];
  const hidden = current().filters.labels.filter((label) => !boxes.some((box) => box.value === label));
  return [...hidden, ...boxes.filter((box) => box.checked).map((box) => box.value)];
}

function readOptions() {
  const { per_media, min_score, exclude_self, duplicates } = options.elements;
  return {
    ...current().options,
    per_media: Number(per_media.value) || 1,
    min_score: min_score.value === "" ? null : Number(min_score.value),
    exclude_self: exclude_self.checked,
    duplicates: duplicates.checked,
  };
}

function show({ filters, options: chosen }) {
  for (const box of form.querySelectorAll("[name=kind]")) box.checked = filters.kinds.includes(box.value);
  for (const box of form.querySelectorAll("[name=root]")) box.checked = filters.roots.includes(box.value);
  for (const field of TEXTS) form.elements[field].value = filters[field];
  if (!form.contains(document.activeElement) || document.activeElement.name !== "label") showLabels();
  const set = countFilters(filters);
  byId("filters-count").hidden = !set;
  byId("filters-count").textContent = String(set);
  byId("filters-clear").hidden = !set;
  options.elements.per_media.value = chosen.per_media;
  options.elements.min_score.value = chosen.min_score ?? "";
  options.elements.exclude_self.checked = chosen.exclude_self;
  options.elements.duplicates.checked = chosen.duplicates;
}

/** The labels that the search field lets through, as many as are clear, and those that are chosen. */
function showLabels() {
  const text = byId("labels-search").value.trim().toLowerCase();
  const chosen = new Set(current().filters.labels);
  const passing = new Set(labels.filter(({ label }) => label.toLowerCase().includes(text)).slice(0, MANY));
  const choices = labels.filter((it) => passing.has(it) || chosen.has(it.label)).map(({ label, media }) => ({ value: label, text: label, title: `${media} media` }));
  fill("labels", "label", choices, chosen);
}

function fill(id, field, choices, chosen = new Set(current().filters[id])) {
  byId(id).hidden = id === "roots" ? choices.length < 2 : !labels.length;
  byId(`${id}-list`).replaceChildren(...choices.map(({ value, text, title }) => {
    const box = make("input", { type: "checkbox", name: field, value });
    box.checked = chosen.has(value);
    return make("label", { title: printable(title) }, box, make("bdi", {}, printable(text)));
  }));
}
