"""AudioSet's lists (segments and ontology) -> the rows of a manifest, for clips that others have downloaded. Pure.

Formats: https://research.google.com/audioset/download.html and https://github.com/audioset/ontology
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import ManifestError
from avsearch.moments import Failed

INSTRUMENT_ROOTS = ("Musical instrument", "Singing", "Tools")
"""What AudioSet-Instruments lies below: 110 classes, these three included ("Objects that Sound", section 2)."""

COLUMNS = ("path", "labels", "split", "ids", "youtube_id", "start_s", "end_s")
ABSENT = "has no clip in the folder."
_SECOND_MS = 1000
_NAME = re.compile(
    r"(?P<id>[A-Za-z0-9_-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:[_-](?P<end>\d+(?:\.\d+)?))?)?", re.ASCII
)
_PREFIXES = ("", "Y", "id_")  # of the name, by some downloaders: a file should not begin with `-`


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a list: a stretch of a YouTube video and the ids of what is heard in it."""

    youtube_id: str
    start_ms: int
    end_ms: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Ontology:
    """Classes by id (`/m/...`): their names, and which are directly below which."""

    names: Mapping[str, str]
    children: Mapping[str, Sequence[str]]

    def below(self, names: Iterable[str]) -> set[str]:
        """The ids of the classes with these names and of all below them.

        Raises:
            ManifestError: there is no class of one of these names.
        """
        id_of = {name: class_id for class_id, name in self.names.items()}
        missing = [name for name in names if name not in id_of]
        if missing:
            raise ManifestError(
                f"The ontology has no class {', '.join(missing)}.", hint="Give AudioSet's ontology.json."
            )
        found: set[str] = set()
        waiting = [id_of[name] for name in names]
        while waiting:
            class_id = waiting.pop()
            if class_id not in found:  # some classes are below several
                found.add(class_id)
                waiting += self.children.get(class_id, ())
        return found

    def resolve(self, labels: Iterable[str]) -> dict[str, str]:
        """The id of each label that is one, or is the name of a class; others are left out."""
        id_of = {name: class_id for class_id, name in self.names.items()}
        resolved = {label: label if label in self.names else id_of.get(label) for label in labels}
        return {label: class_id for label, class_id in resolved.items() if class_id is not None}

    def tree_distances(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """How many steps apart classes are in the tree: (C,) ids -> (C, C), infinite in different trees.

        The ontology is no tree: 38 of its classes stand below several others. Here each stands below the first of
        them in the file, and the seven classes that stand below none are roots of their own. Neither is told in the
        paper; of the ways to read it, this one gives its chance line (docs/evaluation.md).
        """
        above = self._parents()
        lines = [_line_up(class_id, above) for class_id in ids]
        return np.array([[_steps(one, other) for other in lines] for one in lines]).reshape(len(ids), len(ids))

    def _parents(self) -> dict[str, str]:
        above: dict[str, str] = {}
        for parent, children in self.children.items():
            for child in children:
                above.setdefault(child, parent)
        return above


def read_segments(path: Path) -> list[Segment]:
    """The lines of a list such as eval_segments.csv: `YTID, start, end, "id,id"`; lines with `#` are comments.

    Raises:
        ManifestError: it cannot be read or is not such a list.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = (line for line in file if line.strip() and not line.startswith("#"))
            segments = [_segment(fields) for fields in csv.reader(lines, skipinitialspace=True)]
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no such file.", hint="Check the path.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise ManifestError(
            f"{path}: is no list of AudioSet segments ({error}).",
            hint='Give a CSV with lines such as: --4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"',
        ) from error
    if not segments:
        raise ManifestError(f"{path}: the list has no segments.", hint="Download it again.")
    return segments


def read_ontology(path: Path) -> Ontology:
    """AudioSet's ontology.json.

    Raises:
        ManifestError: it cannot be read or is something else.
    """
    try:
        classes = json.loads(path.read_bytes())
        return Ontology(
            names={str(it["id"]): str(it["name"]) for it in classes},
            children={str(it["id"]): tuple(map(str, it["child_ids"])) for it in classes},
        )
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no such file.", hint="Check the path.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{path}: is not AudioSet's ontology ({error}).", hint="Give its ontology.json."
        ) from error


def with_any(segments: Iterable[Segment], ids: Collection[str]) -> list[Segment]:
    """The segments in which at least one of these classes is heard."""
    return [segment for segment in segments if any(class_id in ids for class_id in segment.ids)]


def found_clips(
    segments: Sequence[Segment], files: Sequence[Path], folder: Path
) -> tuple[dict[Segment, Path], list[Failed]]:
    """The file of each segment, by its name, and the segments that have none.

    Names: `YTID`, `YTID_START` or `YTID_START_END` (also `START-END`) with any extension, in seconds or
    milliseconds, perhaps filled with zeros (VGGSound's `YTID_000030`), perhaps behind `Y` or `id_`. Of several
    files the one that says most is taken, of equals the first of `files`.
    """
    known: dict[str, list[Segment]] = {}
    for segment in segments:
        known.setdefault(segment.youtube_id, []).append(segment)
    best: dict[Segment, tuple[int, Path]] = {}
    for path in files:
        for match in _readings(path.stem):
            for segment in known.get(match["id"], ()):
                told = sum(match[group] is not None for group in ("start", "end"))
                if _fits(match, segment) and told > best.get(segment, (-1, path))[0]:
                    best[segment] = told, path
    absent = [Failed(folder / segment.youtube_id, ABSENT) for segment in segments if segment not in best]
    return {segment: best[segment][1] for segment in segments if segment in best}, absent


def manifest_rows(
    clips: Mapping[Segment, Path], ontology: Ontology, *, split: str, manifest: Path
) -> Iterator[dict[str, str]]:
    """The row of each clip, with COLUMNS; paths below the manifest's folder are relative to it."""
    folder = manifest.absolute().parent
    for segment, path in clips.items():
        place = path.absolute()
        yield {
            "path": str(place.relative_to(folder) if place.is_relative_to(folder) else place),
            "labels": ";".join(ontology.names.get(class_id, class_id) for class_id in segment.ids),
            "split": split,
            "ids": ";".join(segment.ids),
            "youtube_id": segment.youtube_id,
            "start_s": f"{segment.start_ms / _SECOND_MS:g}",
            "end_s": f"{segment.end_ms / _SECOND_MS:g}",
        }


def _segment(fields: Sequence[str]) -> Segment:
    if len(fields) != 4 or not re.fullmatch(r"[A-Za-z0-9_-]{11}", fields[0]):
        raise ValueError(f"this line is none: {','.join(fields)[:80]!r}")
    start, end = (round(float(field) * _SECOND_MS) for field in fields[1:3])
    ids = tuple(part.strip() for part in fields[3].split(",") if part.strip())
    return Segment(fields[0], start, end, ids)


def _line_up(class_id: str, above: Mapping[str, str]) -> dict[str, int]:
    """A class and all above it, and how many steps up each is."""
    line = {class_id: 0}
    while class_id in above and above[class_id] not in line:
        class_id = above[class_id]
        line[class_id] = len(line)
    return line


def _steps(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """From one class up to the first that both stand below, and down to the other."""
    return min((steps + other[class_id] for class_id, steps in one.items() if class_id in other), default=math.inf)


def _readings(stem: str) -> Iterator[re.Match[str]]:
    """What a name may mean: an id may itself begin with `Y`, or with `id_`."""
    for prefix in _PREFIXES:
        if stem.startswith(prefix) and (match := _NAME.fullmatch(stem, len(prefix))):
            yield match


def _fits(match: re.Match[str], segment: Segment) -> bool:
    """Whether the times in a name, if there are any, are those of the segment, in one unit or the other."""
    told = [
        (float(match[group]), time_ms)
        for group, time_ms in (("start", segment.start_ms), ("end", segment.end_ms))
        if match[group] is not None
    ]
    return any(all(round(number * unit) == time_ms for number, time_ms in told) for unit in (1, _SECOND_MS))
