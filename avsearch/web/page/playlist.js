// The hits as a playlist for players such as VLC and mpv: each from its second on.

import { make } from "./dom.js";
import { windowOf } from "./card.js";

export function save(hits, title) {
  const url = URL.createObjectURL(new Blob([m3u8(hits)], { type: "application/vnd.apple.mpegurl" }));
  make("a", { href: url, download: `${title.replace(/[^\p{L}\p{N} ._-]+/gu, "_") || "hits"}.m3u8` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Paths as file addresses, in which no name can break the line. */
function m3u8(hits) {
  const lines = hits.flatMap((hit) => {
    const { to_s } = windowOf(hit);
    const times = hit.kind === "picture" ? [] : [`#EXTVLCOPT:start-time=${hit.start_s}`, `#EXTVLCOPT:stop-time=${to_s}`];
    return [`#EXTINF:${(to_s - hit.start_s).toFixed(3)},${hit.name.replace(/\p{C}/gu, "\uFFFD")}`, ...times, address(hit.path)];
  });
  return `${["#EXTM3U", ...lines].join("\n")}\n`;
}

const address = (path) => `file://${path.split("/").map(encodeURIComponent).join("/")}`;
