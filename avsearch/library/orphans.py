"""Files that no row of the catalog names: what is left when a writer is killed before its commit."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from avsearch.library.layout import CONFIG_NAME, Layout
from avsearch.vectors.durable import ASIDE_SUFFIX

_SEGMENT_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")


def find_orphans(layout: Layout, segment_names: Collection[str]) -> list[Path]:
    """Segments that no row names, and files that were never finished; nothing that is not avsearch's.

    Args:
        layout: of the library.
        segment_names: all that the catalog names.
    """
    unnamed = [
        path
        for path in layout.segments.glob("*.safetensors")
        if _SEGMENT_NAME.fullmatch(path.name) and path.name not in segment_names
    ]
    unfinished = [
        *layout.segments.glob(f"*.safetensors{ASIDE_SUFFIX}"),
        *layout.encoders.glob(f"*.safetensors{ASIDE_SUFFIX}"),
        *layout.directory.glob(f"{CONFIG_NAME}{ASIDE_SUFFIX}"),
    ]
    return sorted(unnamed + unfinished)
