"""A few clips of each split and class, for a quick look."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

OF_EACH = 2  # clips of a class in a split


def sample_of(data: Path, folder: Path) -> Path:
    """A folder with some of the clips and their part of the manifest; made, unless it is there."""
    manifest = folder / "manifest.csv"
    if manifest.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or ())
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in rows:
        key = row["split"], row["class"]
        seen[key] += 1
        if seen[key] <= OF_EACH:
            kept.append(row)
            target = folder / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / row["path"], target)
    aside = folder / ".manifest.csv"
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(kept)
    aside.rename(manifest)
    return folder
