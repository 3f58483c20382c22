"""Files that no row of the catalog names: what is left when a writer is killed before its commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from avsearch.catalog import Catalog
from avsearch.library.layout import CONFIG_NAME, Layout
from avsearch.vectors.durable import ASIDE_SUFFIX

_OWN_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")  # of a segment, and of weights


def find_orphans(layout: Layout, catalog: Catalog) -> list[Path]:
    """Segments and weights that no row names, and files that were never finished; nothing but avsearch's own."""
    weights = [path for path in layout.encoders.glob("*.safetensors") if _OWN_NAME.fullmatch(path.name)]
    named = {layout.encoder_path(encoder.fingerprint) for encoder in catalog.encoders()}
    return unnamed(sorted({*segments_there(layout), *(set(weights) - named)}), layout, catalog)


def segments_there(layout: Layout) -> list[Path]:
    """All segments, and files that were never finished; each has a name that no other file ever gets."""
    segments = [path for path in layout.segments.glob("*.safetensors") if _OWN_NAME.fullmatch(path.name)]
    unfinished = [
        *layout.segments.glob(f"*.safetensors{ASIDE_SUFFIX}"),
        *layout.encoders.glob(f"*.safetensors*{ASIDE_SUFFIX}"),
        *layout.directory.glob(f"{CONFIG_NAME}{ASIDE_SUFFIX}"),
    ]
    return sorted(segments + unfinished)


def unnamed(paths: Sequence[Path], layout: Layout, catalog: Catalog) -> list[Path]:
    """Those that are not segments which the catalog names now."""
    named = {layout.segment_path(record.name) for record in catalog.all_segments()}
    return [path for path in paths if path not in named]
