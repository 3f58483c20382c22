// The page as a whole: which part tells which.

import { add, ask, askLike } from "./asking.js";
import { closeOnClick } from "./dialogs.js";
import { byId } from "./dom.js";
import * as format from "./format.js";
import { isHeated } from "./heating.js";
import * as hits from "./hits.js";
import { dragMoment } from "./intake.js";
import { listenForKeys } from "./keys.js";
import { watch } from "./library.js";
import { copy } from "./notices.js";
import { stop } from "./player.js";
import * as playlist from "./playlist.js";
import { momentSource, other } from "./query.js";
import { record } from "./recorder.js";
import { change, onSettings } from "./settings.js";
import { onQuery, restore } from "./store.js";
import "./terms.js";
import * as viewer from "./viewer.js";

const does = {
  open: (hit) => viewer.open(hit),
  like: (hit) => askLike(momentSource(hit)),
  otherSide: (hit) => ask(momentSource(hit), { by: other(hit.modality) }),
  plus: (hit) => add(momentSource(hit), 1),
  minus: (hit) => add(momentSource(hit), -1),
  copyAt: (hit) => copy(hit.kind === "picture" ? hit.path : format.fileAt(hit.path, hit.start_s)),
  copyPath: (hit) => copy(hit.path),
};

hits.setActions(does);
viewer.setUp(does, isHeated);
listenForKeys(does);
closeOnClick();

byId("hits").addEventListener("dragstart", (event) => {
  const hit = hits.hitAt(event.target);
  if (hit) dragMoment(event, momentSource(hit), format.fileAt(hit.path, hit.start_s));
});
byId("record").addEventListener("click", record);
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("playlist").addEventListener("click", () => playlist.save(hits.shownHits(), document.title));
document.addEventListener("keydown", (event) => event.key === "Escape" && stop());

onQuery(({ terms, find }) => {
  const names = terms.map((term) => `${term.weight < 0 ? "−" : ""}${term.source.name}`).join(" + ");
  document.title = names ? `${find === "image" ? "Pictures" : "Sounds"} for ${names} - avsearch` : "avsearch";
});

byId("hover-toggle").addEventListener("click", () => {
  change({ hover: byId("hover-toggle").getAttribute("aria-pressed") !== "true" });
  stop();
});
byId("volume").addEventListener("input", () => change({ volume: Number(byId("volume").value) }));
byId("hover-setting").addEventListener("change", () => change({ hover: byId("hover-setting").checked }));
byId("keys-setting").addEventListener("change", () => change({ keys: byId("keys-setting").checked }));
for (const input of document.getElementsByName("theme")) input.addEventListener("change", () => change({ theme: input.value }));

onSettings(({ theme, hover, volume, keys }) => {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const input of document.getElementsByName("theme")) input.checked = input.value === theme;
  byId("hover-toggle").setAttribute("aria-pressed", hover);
  byId("hover-setting").checked = hover;
  byId("volume").value = volume;
  byId("keys-setting").checked = keys;
});

restore();
watch();
