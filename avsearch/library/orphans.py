"""Files that no row of the catalog names: what is left when a writer is killed before its commit."""

from __future__ import annotations

import re
from pathlib import Path

from avsearch.catalog import Catalog
from avsearch.library.layout import CONFIG_NAME, Layout
from avsearch.vectors.durable import ASIDE_SUFFIX

_OWN_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")  # of a segment, and of weights


def find_orphans(layout: Layout, catalog: Catalog) -> list[Path]:
    """Segments and weights that no row names, and files that were never finished; nothing but avsearch's own."""
    there = [*layout.segments.glob("*.safetensors"), *layout.encoders.glob("*.safetensors")]
    named = {layout.segment_path(record.name) for record in catalog.all_segments()}
    named |= {layout.encoder_path(encoder.fingerprint) for encoder in catalog.encoders()}
    unnamed = [path for path in there if _OWN_NAME.fullmatch(path.name) and path not in named]
    unfinished = [
        *layout.segments.glob(f"*.safetensors{ASIDE_SUFFIX}"),
        *layout.encoders.glob(f"*.safetensors{ASIDE_SUFFIX}"),
        *layout.directory.glob(f"{CONFIG_NAME}{ASIDE_SUFFIX}"),
    ]
    return sorted(unnamed + unfinished)
