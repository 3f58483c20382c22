"""Measure how well near-duplicates are told from other media.

    python -m benchmarks.duplicates DATA FOLDER --model WEIGHTS [--split test]

DATA holds manifest.csv (path, split) and its clips. Of each clip of the split five copies are made: encoded anew at
a low bit rate, cropped by 5 %, shifted by cutting off the first 0.3 s, the sound at -6 dB in another codec, and all
of that at once. Originals and copies are indexed with the weights, and every two media of the library are judged.

Limits are chosen on `val` and reported on `test`. Two clips made of one photo or one recording (manifest columns
`photo` and `recordings`, where there are such) are the same to one who only sees or only hears: such pairs are left
out where nothing else could tell them apart. What is done is not done again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.bench.figure import Figure, figure
from avsearch.library import View, open_library
from avsearch.manifest import ManifestRow, read_manifest
from avsearch.models.weights import read_header
from avsearch.moments import Modality
from avsearch.vectors.duplicates import LIMITS, LOOSE, contents_of
from benchmarks.result import add_out, write_result

CROP = "crop=trunc(iw*0.95/2)*2:trunc(ih*0.95/2)*2"
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "64k"]
START = ["-ss", "0.3"]
ORIGINAL, EVERYTHING = "original", "everything"
CHANGES: dict[str, tuple[str, list[str], list[str]]] = {  # what for, suffix, before and after the input
    "encoded": (".mp4", [], [*H264, "-crf", "36", "-c:a", "aac", "-b:a", "24k"]),
    "cropped": (".mp4", [], ["-vf", CROP, *H264, "-crf", "23", *AAC]),
    "shifted": (".mp4", START, [*H264, "-crf", "23", *AAC]),
    "quieter": (".mkv", [], ["-c:v", "copy", "-af", "volume=-6dB", "-c:a", "libopus", "-b:a", "48k"]),
    EVERYTHING: (
        ".mp4",
        START,
        ["-vf", CROP, *H264, "-crf", "32", "-af", "volume=-6dB", "-c:a", "libmp3lame", "-b:a", "48k"],
    ),
}
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)
SOURCES = {Modality.IMAGE: "photo", Modality.AUDIO: "recordings"}  # columns, several separated by |
SIDES = {"both sides": tuple(Modality), "image alone": (Modality.IMAGE,), "sound alone": (Modality.AUDIO,)}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every two media once: whether they hold one content, which changes they are, and how far apart.

    Attributes:
        is_same: (P,) bool.
        changes: (P, 2) names.
        used: (P,) float64, of the limits: 1 is just a copy.
    """

    is_same: NDArray[np.bool_]
    changes: NDArray[np.str_]
    used: NDArray[np.float64]

    def recall(self, scale: float, change: str) -> float:
        """Of the pairs of an original and its copy of one change, how many are found."""
        asked = self.is_same & (self.changes == ORIGINAL).any(axis=1) & (self.changes == change).any(axis=1)
        return float((self.used[asked] <= scale).mean())

    def overall(self, scale: float) -> tuple[int, int, int]:
        """Pairs of one content that are found, those that there are, and pairs of two that are taken for one."""
        is_found = self.used <= scale
        return int((is_found & self.is_same).sum()), int(self.is_same.sum()), int((is_found & ~self.is_same).sum())


def main() -> None:
    """Make copies, index, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--model", type=Path, required=True, metavar="WEIGHTS")
    parser.add_argument("--split", default="val")
    add_out(parser)
    chosen = parser.parse_args()
    clips = {row.path.stem: row for row in read_manifest(chosen.data / "manifest.csv").in_split(chosen.split)}
    folder = chosen.folder / "copies" / chosen.split
    folder.mkdir(parents=True, exist_ok=True)
    for row in clips.values():
        make_copies(row.path, folder)
    header = read_header(chosen.model)
    library = chosen.folder / f"library-{chosen.split}-{header.fingerprint[:8]}"
    subprocess.run(
        [sys.executable, "-m", "avsearch", "index", folder, "--library", library, "--model", chosen.model],
        check=True,
    )
    sys.stdout.write(f"{header.recipe_name}, {chosen.split}: {len(clips)} clips, {len(CHANGES)} copies of each\n")
    found: list[Figure] = []
    for name, sides in SIDES.items():
        pairs = pairs_of(library, sides, clips)
        sys.stdout.write("".join(f"{line}\n" for line in report(name, pairs)))
        found += figures(name, pairs)
    write_result(chosen.out, "duplicates", found, {"weights": header.fingerprint, "split": chosen.split})


def make_copies(clip: Path, folder: Path) -> None:
    """The clip itself and its copies, named CLIP.CHANGE.SUFFIX; what is there is kept."""
    original = folder / f"{clip.stem}.{ORIGINAL}{clip.suffix}"
    if not original.exists():
        shutil.copy(clip, original)
    for change, (suffix, before, after) in CHANGES.items():
        target = folder / f"{clip.stem}.{change}{suffix}"
        if not target.exists():
            aside = target.with_stem(f".{target.stem}")
            command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *before, "-i", f"file:{clip}", *after, str(aside)]
            subprocess.run(command, check=True)
            aside.rename(target)


def pairs_of(directory: Path, sides: Sequence[Modality], clips: Mapping[str, ManifestRow]) -> Pairs:
    """Judge every two media of a library by some sides of them."""
    library = open_library(directory)
    view = library.view(*Modality)
    media_ids = view.snapshot.live_media_ids.tolist()
    records = library.catalog.media_records(media_ids)
    clip, change = np.array([records[it].paths[0].name.split(".")[:2] for it in media_ids]).T
    one, other = np.triu_indices(len(media_ids), 1)
    used = _used(view, media_ids, sides)[one, other]
    is_same = clip[one] == clip[other]
    is_judged = is_same | ~_has_same_sources([clips[name] for name in clip.tolist()], sides)[one, other]
    changes = np.stack([change[one], change[other]], axis=1)
    return Pairs(is_same[is_judged], changes[is_judged], used[is_judged])


def report(name: str, pairs: Pairs) -> Iterator[str]:
    """Markdown: recall of each change at each scale of the limits, and what all pairs say."""
    columns = " | ".join([*CHANGES, "all pairs of one content", "precision", "false pairs"])
    yield f"\n| {name}, times the limits | {columns} |"
    yield f"|---|{'---:|' * (len(CHANGES) + 3)}"
    for scale in SCALES:
        found, there_are, false = pairs.overall(scale)
        recalls = " | ".join(f"{pairs.recall(scale, change):.3f}" for change in CHANGES)
        precision = f"{found / (found + false):.4f}" if found else "-"
        others = len(pairs.used) - there_are
        yield f"| {scale:g} | {recalls} | {found / there_are:.3f} | {precision} | {false} of {others} |"


def figures(name: str, pairs: Pairs) -> Iterator[Figure]:
    """Recall of each change, and precision of all, at the limits that are in use; none where nothing is found."""
    told = f"near-duplicates by {name}"
    for change in CHANGES:
        yield figure(f"{told}, recall, {change}", f"{name}: {change}", [pairs.recall(1.0, change)])
    found, _, false = pairs.overall(1.0)
    if found:
        yield figure(f"{told}, precision", f"{name}: precision", [found / (found + false)])


def _has_same_sources(rows: Sequence[ManifestRow], sides: Sequence[Modality]) -> NDArray[np.bool_]:
    """(M, M) bool: whether two clips have a source in common on every one of these sides."""
    shared = np.ones((len(rows), len(rows)), np.bool_)
    for side in sides:
        sources = [set(row.columns.get(SOURCES[side], "").split("|")) - {""} for row in rows]
        names = sorted(set().union(*sources))
        has = np.array([[name in some for name in names] for some in sources], np.float32)
        shared &= has @ has.T > 0
    return shared


def _used(view: View, media_ids: Sequence[int], sides: Sequence[Modality]) -> NDArray[np.float64]:
    """(M, M) how much of the limits every two media use; infinite where a first look is enough."""
    contents = contents_of({side: view.segments[side] for side in sides}, media_ids)
    glimpsed = LIMITS.used(contents.glimpsed())
    used = np.full_like(glimpsed, np.inf)
    for one, other in np.argwhere(np.triu((glimpsed <= LOOSE * max(SCALES)) & contents.fits(), 1)).tolist():
        apart = LIMITS.used(contents.distances(media_ids[one], media_ids[other], LIMITS))
        used[one, other] = max(float(apart), glimpsed[one, other] / LOOSE)  # both have to be small
    return used


if __name__ == "__main__":
    main()
