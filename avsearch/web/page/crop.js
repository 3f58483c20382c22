// The part of a picture that is asked with: a box with edges to drag, or to move with the arrow keys.

import { clamp, make } from "./dom.js";

const WHOLE = [0, 0, 1, 1];
const LEAST = 0.04; // of width or height
const STEP = 0.01;
const EDGES = [["Left", 0], ["Top", 1], ["Right", 2], ["Bottom", 3]];
const CORNERS = [[0, 1], [2, 1], [0, 3], [2, 3]];

/** A layer over a picture. `onChange(crop)` comes with each change; null is the whole picture. */
export function cropLayer(crop, onChange) {
  let box = [...(crop ?? WHOLE)];
  const sliders = EDGES.map(([text, edge]) => edgeSlider(text, edge, move));
  const corners = CORNERS.map((edges) => make("span", { class: `corner c${edges.join("")}`, "data-edges": edges.join(" "), "aria-hidden": "true" }));
  const frame = make("div", { class: "crop-box", "data-edges": "0 1 2 3" }, sliders, corners);
  const layer = make("div", { class: "crop", role: "group", "aria-label": "The part of the picture that asks" }, frame);

  function draw() {
    for (const [at, side] of ["--left", "--top", "--right", "--bottom"].entries()) frame.style.setProperty(side, box[at]);
    for (const [at, slider] of sliders.entries()) slider.setAttribute("aria-valuenow", Math.round(100 * box[at]));
    layer.classList.toggle("is-whole", isWhole(box));
  }

  function set(next) {
    box = next;
    draw();
    onChange(isWhole(box) ? null : box.map((edge) => Number(edge.toFixed(4))));
  }

  function move(edge, by) {
    set(moved(box, [edge], edge % 2 ? 0 : by, edge % 2 ? by : 0));
  }

  layer.addEventListener("pointerdown", (event) => drag(event, layer, () => box, set));
  draw();
  return layer;
}

const isWhole = (box) => box.every((edge, at) => Math.abs(edge - WHOLE[at]) < 1e-3);

function edgeSlider(text, edge, move) {
  const keys = edge % 2 ? { ArrowUp: -1, ArrowDown: 1 } : { ArrowLeft: -1, ArrowRight: 1 };
  const slider = make("span", {
    class: `edge e${edge}`, role: "slider", tabindex: "0", "data-edges": String(edge),
    "aria-label": `${text} edge, percent`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": edge % 2 ? "vertical" : "horizontal",
  });
  slider.addEventListener("keydown", (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    move(edge, keys[event.key] * STEP * (event.shiftKey ? 5 : 1));
  });
  return slider;
}

/** Follow the pointer: edges that were grabbed move, all four are the box itself, and outside it a new one begins. */
function drag(event, layer, getBox, set) {
  if (event.button !== 0) return;
  event.preventDefault();
  const area = layer.getBoundingClientRect();
  const place = (it) => [clamp((it.clientX - area.left) / area.width, 0, 1), clamp((it.clientY - area.top) / area.height, 0, 1)];
  const [x, y] = place(event);
  const grabbed = event.target.closest("[data-edges]")?.dataset.edges.split(" ").map(Number);
  const isNew = !grabbed || (grabbed.length === 4 && isWhole(getBox()));
  const before = isNew ? [x, y, x, y] : getBox();
  const follow = (it) => {
    const [to_x, to_y] = place(it);
    if (!isNew) set(moved(before, grabbed, to_x - x, to_y - y));
    else if (Math.abs(to_x - x) > LEAST && Math.abs(to_y - y) > LEAST) set([Math.min(x, to_x), Math.min(y, to_y), Math.max(x, to_x), Math.max(y, to_y)]);
  };
  const end = () => layer.removeEventListener("pointermove", follow);
  layer.setPointerCapture(event.pointerId);
  layer.addEventListener("pointermove", follow);
  layer.addEventListener("pointerup", end, { once: true });
  layer.addEventListener("pointercancel", end, { once: true });
}

/** A box some of whose edges moved, within the picture and never thinner than the least. */
function moved(box, edges, by_x, by_y) {
  if (edges.length === 4) {
    const [dx, dy] = [clamp(by_x, -box[0], 1 - box[2]), clamp(by_y, -box[1], 1 - box[3])];
    return [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy];
  }
  const next = [...box];
  for (const edge of edges) {
    const to = box[edge] + (edge % 2 ? by_y : by_x);
    next[edge] = edge < 2 ? clamp(to, 0, box[edge + 2] - LEAST) : clamp(to, box[edge - 2] + LEAST, 1);
  }
  return next;
}
