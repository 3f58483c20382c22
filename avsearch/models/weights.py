"""One weights file: safetensors whose header says everything that is needed to use it.

Reading a header needs no torch. The fingerprint covers the tensors, the architecture and the front end: two
encoders with one fingerprint give the same vectors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avsearch.errors import WeightsError, unwritable
from avsearch.front_end import parse_front_end
from avsearch.models.header import Part, WeightsHeader
from avsearch.moments import Modality

FORMAT_VERSION = 1
ARCHITECTURES = ("ave", "l3", "avol", "avol-cosine", "avol-attention", "ave-mf", "ave-of", "vgg16", "cca")
_HEADER_KEY = "avsearch"
TRAIN_HINT = "Train one with `avsearch train FOLDER --out RUN` and give RUN/encoder.safetensors."


def read_header(path: Path) -> WeightsHeader:
    """Read what a weights file says about itself.

    Raises:
        WeightsError: it is missing, no weights file of avsearch, or of a newer format.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file.", hint=TRAIN_HINT)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        return _parse_header(path, json.loads(metadata[_HEADER_KEY]))
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: is not a weights file of avsearch.", hint=TRAIN_HINT) from error


def read_usable_header(path: Path) -> WeightsHeader:
    """Read a header and check that this version knows its architecture.

    Raises:
        WeightsError: as `read_header`, or the architecture is unknown.
    """
    header = read_header(path)
    for architecture in (header.architecture, *(part.architecture for part in header.parts)):
        if architecture not in ARCHITECTURES:
            raise WeightsError(
                f"{path}: is of architecture {architecture}; this avsearch knows {', '.join(ARCHITECTURES)}.",
                hint="Upgrade avsearch, or train a model with `avsearch train`.",
            )
    return header


def verify_weights(path: Path) -> str:
    """Recompute the fingerprint from every byte of the file, and return it.

    Raises:
        WeightsError: the file is damaged: its contents do not match the fingerprint in its header.
    """
    header = read_header(path)
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    if _fingerprint(tensors, header) != header.fingerprint:
        raise WeightsError(f"{path}: the weights are damaged.", hint="Copy the file again or train anew.")
    return header.fingerprint


def save_weights(path: Path, tensors: Mapping[str, np.ndarray], header: WeightsHeader) -> WeightsHeader:
    """Write tensors and header aside, then rename; returns the header with its fingerprint."""
    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    fields = asdict(header) | {"format": FORMAT_VERSION, "fingerprint": _fingerprint(contiguous, header)}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(save(contiguous, metadata={_HEADER_KEY: json.dumps(fields, sort_keys=True)}))
        aside.replace(path)
    except OSError as error:
        raise unwritable(WeightsError, path, error.strerror) from error
    finally:
        aside.unlink(missing_ok=True)
    return read_header(path)


def _parse_header(path: Path, fields: dict[str, Any]) -> WeightsHeader:
    version = fields.pop("format")
    if version > FORMAT_VERSION:
        raise WeightsError(f"{path}: was written by a newer avsearch.", hint="Upgrade avsearch.")
    fields["front_end"] = parse_front_end(fields["front_end"])
    fields["modalities"] = tuple(Modality(name) for name in fields["modalities"])
    fields["widths"] = tuple(int(width) for width in fields["widths"])
    parts = fields.get("parts", [])
    fields["parts"] = tuple(Part(**part | {"widths": tuple(map(int, part["widths"]))}) for part in parts)
    return WeightsHeader(**fields)


def _fingerprint(tensors: Mapping[str, np.ndarray], header: WeightsHeader) -> str:
    digest = xxhash.xxh3_128()
    shape = [header.architecture, header.widths, header.dim, header.modalities, header.num_frames]
    digest.update(json.dumps([*shape, header.front_end.identity()], sort_keys=True).encode())
    if header.parts:  # older files have none, and keep their fingerprints
        digest.update(json.dumps([asdict(part) for part in header.parts], sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()
