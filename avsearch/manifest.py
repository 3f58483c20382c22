"""A manifest names clips, their labels and their split: CSV `path,labels,split` and any more columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from avsearch.errors import ManifestError
from avsearch.moments import Box
from avsearch.remote import is_url

LABEL_SEPARATOR = ";"
REQUIRED_COLUMNS = ("path", "labels", "split")
BOXES_COLUMN = "boxes"
"""Where the sounding object is: `left,top,right,bottom` in fractions of the frame, several separated by `;`."""


@dataclass(frozen=True)
class ManifestRow:
    """One clip: `path` is absolute, `columns` holds every column as written, `path` and `labels` included."""

    path: Path
    labels: tuple[str, ...]
    split: str
    columns: Mapping[str, str]

    def labels_in(self, column: str) -> tuple[str, ...]:
        """The labels that stand in any column, separated by `;`."""
        return split_labels(self.columns[column])


@dataclass(frozen=True)
class Manifest:
    """All rows of a manifest file, in its order; `repeated` are those that name the path of an earlier one."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[ManifestRow, ...]
    repeated: tuple[ManifestRow, ...] = ()

    def in_split(self, split: str) -> tuple[ManifestRow, ...]:
        """The rows of one split.

        Raises:
            ManifestError: no row has that split.
        """
        rows = tuple(row for row in self.rows if row.split == split)
        if not rows:
            known = ", ".join(sorted({row.split for row in self.rows}))
            raise ManifestError(f"{self.path}: no row has split={split}.", hint=f"Its splits are: {known}.")
        return rows

    def require_columns(self, names: Iterable[str]) -> None:
        """Check that the named columns exist.

        Raises:
            ManifestError: one does not.
        """
        for name in names:
            if name not in self.columns:
                known = ", ".join(self.columns)
                raise ManifestError(f"{self.path}: there is no column {name}.", hint=f"Its columns are: {known}.")


def boxes_of(text: str) -> list[Box]:
    """A field of `BOXES_COLUMN`, as `"0.1,0.2,0.5,0.6;0.7,0.1,0.9,0.4"` -> two boxes; an empty one has none.

    Raises:
        ValueError: a part is not four numbers that make a box within the frame.
    """
    return [_box(part) for part in split_labels(text)]


def split_labels(text: str) -> tuple[str, ...]:
    """`"flute; woodwind"` -> `("flute", "woodwind")`."""
    return tuple(part.strip() for part in text.split(LABEL_SEPARATOR) if part.strip())


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; relative paths in it are relative to the CSV itself.

    Raises:
        ManifestError: the file cannot be read, lacks a column, has no rows, or names a path twice.
    """
    manifest = read_manifest_with_repeats(path)
    for row in manifest.repeated:
        raise ManifestError(f"{path}: {row.columns['path']} stands in it twice.", hint="Keep one line.")
    return manifest


def read_manifest_with_repeats(path: Path) -> Manifest:
    """The same, where of several rows with one path the first counts and the others are told.

    Raises:
        ManifestError: the file cannot be read, lacks a column, or has no rows.
    """
    columns, records = _read_csv(path)
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise ManifestError(
            f"{path}: the manifest has no column {', '.join(missing)}.",
            hint=f"A manifest is CSV with the columns {','.join(REQUIRED_COLUMNS)}.",
        )
    rows = tuple(_row(path, record) for record in records)
    if not rows:
        raise ManifestError(f"{path}: the manifest has no rows.", hint="Add a line for each clip.")
    first = {row.path: row for row in reversed(rows)}
    return Manifest(
        path=path,
        columns=columns,
        rows=tuple(row for row in rows if first[row.path] is row),
        repeated=tuple(row for row in rows if first[row.path] is not row),
    )


def write_manifest(path: Path, columns: Sequence[str], records: Iterable[Mapping[str, str]]) -> None:
    """Write records as CSV with the given columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(records)


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            return tuple(reader.fieldnames or ()), list(reader)
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: there is no such file.", hint="Check the path.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: cannot be read as a manifest ({error}).", hint="Give a CSV file.") from error


def _row(manifest: Path, record: dict[str, str]) -> ManifestRow:
    return ManifestRow(
        path=Path(record["path"]) if is_url(record["path"]) else (manifest.parent / record["path"]).absolute(),
        labels=split_labels(record["labels"]),
        split=record["split"].strip(),
        columns=MappingProxyType(record),
    )


def _box(text: str) -> Box:
    left, top, right, bottom = (float(number) for number in text.split(","))
    return Box(left, top, right, bottom)
