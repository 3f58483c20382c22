// One root of the library: how its files are, which could not be read and why, and reading it again.

import { make, name } from "./dom.js";
import * as format from "./format.js";

const STATES = [["indexed", "indexed"], ["failed", "failed"], ["missing", "missing"], ["removed", "removed"]];

export function rootTile({ id, path, files, failures, reachable }, { isIndexing, onIndex }) {
  const counts = make("ul", { class: "counts" }, STATES.filter(([key]) => files[key] || key === "indexed").map(([key, text]) => make("li", { class: files[key] && key === "failed" ? "is-bad" : "" }, make("b", {}, format.number(files[key])), ` ${text}`)));
  const button = (text, retry) => make("button", { type: "button", disabled: isIndexing || !reachable, on: { click: () => onIndex(id, retry) } }, text);
  return make("article", { class: "root" },
    make("h4", {}, name(path)),
    reachable ? null : make("p", { class: "wrong" }, "Not there now; is its disk mounted? What was indexed can still be found."),
    counts,
    failures.length ? failureList(failures, files.failed) : null,
    make("div", { class: "buttons" }, button("Index again", false), files.failed ? button("Retry what failed", true) : null),
  );
}

function failureList(failures, total) {
  const rows = failures.map(({ path, reason }) => make("li", {}, make("code", {}, name(path)), make("span", {}, name(reason))));
  const rest = total > failures.length ? make("li", { class: "note" }, `and ${format.number(total - failures.length)} more: avsearch library status lists all`) : null;
  return make("details", {}, make("summary", {}, format.count(total, "failure")), make("ul", { class: "failures" }, rows, rest));
}
