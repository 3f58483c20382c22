"""What a library knows of its copy in Milvus: where it is, and the media that are in it; never trusted unread.

`engine.json` names the server and every collection that may be there. `<modality>.safetensors` holds the media
whose rows are in the collection, with a digest of each, so that neither `compact` nor `repair` can make it lie.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import xxhash
from numpy.typing import NDArray

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors.durable import write_durably
from avsearch.vectors.milvus.holdings import GONE, Holdings

ENGINE_NAME = "engine.json"
FORMAT_VERSION = 1
AGAIN_HINT = "Run `avsearch library engine` to mend it."
_MADE_ANEW_HINT = "Run `avsearch library engine --milvus URI` with its address to make it anew."
_DTYPES = {"media_id": np.int64, "num_rows": np.int64, "digest": np.uint64}


@dataclass(frozen=True)
class Engine:
    """Where a library is copied to.

    Attributes:
        uri: of the server; never with credentials.
        collections: all that may be there.
    """

    uri: str
    collections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(it, str) and it for it in (self.uri, *self.collections)):
            raise ValueError("its values are not texts")


@dataclass(frozen=True, eq=False)
class Copied:
    """What of one modality is in its collection.

    Attributes:
        collection: its name.
        fingerprint: of the encoder that made the vectors.
        segments: names of segments that are in it as a whole.
        media_id: (M,) int64 ascending.
        num_rows: (M,) int64.
        digest: (M,) uint64, of the times and vectors.
    """

    collection: str
    fingerprint: str
    segments: frozenset[str]
    media_id: NDArray[np.int64]
    num_rows: NDArray[np.int64]
    digest: NDArray[np.uint64]

    @property
    def total_rows(self) -> int:
        return int(self.num_rows.sum())

    def only(self, media_ids: NDArray[np.int64]) -> Copied:
        """What it holds of some media."""
        kept = np.isin(self.media_id, media_ids)
        columns = {name: getattr(self, name)[kept] for name in _DTYPES}
        return replace(self, segments=self.segments if kept.all() else frozenset(), **columns)

    def with_media(self, holdings: Holdings, places: NDArray[np.int64]) -> Copied:
        """The same and some media more."""
        media_id = np.append(self.media_id, holdings.media_id[places])
        order = np.argsort(media_id)
        return replace(
            self,
            media_id=media_id[order],
            num_rows=np.append(self.num_rows, holdings.num_rows[places])[order],
            digest=np.append(self.digest, holdings.digests(places))[order],
        )

    def held(self, holdings: Holdings, names: tuple[str, ...]) -> NDArray[np.bool_]:
        """(M,) bool: which of the media that are searched are in the collection, as they are now.

        Args:
            holdings: what is searched.
            names: of its segments.
        """
        place = holdings.place_of(self.media_id)
        is_same = (place != GONE) & (holdings.num_rows[place] == self.num_rows) if len(holdings) else place != GONE
        known = np.array([name in self.segments for name in names], bool)
        unsure = np.flatnonzero(is_same)
        unsure = unsure[~known[holdings.owner[place[unsure]]]]
        is_same[unsure] = holdings.digests(place[unsure]) == self.digest[unsure]
        mask = np.zeros(len(holdings), bool)
        mask[place[is_same]] = True
        return mask


def nothing_copied(collection: str, fingerprint: str) -> Copied:
    """The record of an empty collection."""
    columns = {name: np.empty(0, dtype) for name, dtype in _DTYPES.items()}
    return Copied(collection, fingerprint, frozenset(), **columns)


def engine_path(directory: Path) -> Path:
    """Where `engine.json` lies."""
    return directory / ENGINE_NAME


def copied_path(directory: Path, modality: Modality) -> Path:
    """Where the record of a modality lies."""
    return directory / f"{modality}.safetensors"


def write_engine(directory: Path, engine: Engine) -> None:
    """Write it, whole or not at all.

    Raises:
        LibraryError: it cannot be written.
    """
    told = {"format_version": FORMAT_VERSION, **asdict(engine)}
    write_durably(engine_path(directory), [json.dumps(told, indent=1).encode() + b"\n"])


def read_engine(directory: Path) -> Engine | None:
    """What `write_engine` wrote; None where the library is in no Milvus.

    Raises:
        LibraryError: it is damaged, or a newer avsearch wrote it.
    """
    path = engine_path(directory)
    try:
        told = json.loads(path.read_bytes())
        if told["format_version"] > FORMAT_VERSION:
            raise LibraryError(f"{path}: a newer avsearch wrote it.", hint="Upgrade avsearch.")
        return Engine(told["uri"], tuple(told["collections"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror}).", hint="Check its permissions.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LibraryError(f"{path}: is damaged.", hint=_MADE_ANEW_HINT) from error


def write_copied(directory: Path, modality: Modality, copied: Copied) -> None:
    """Write it, whole or not at all.

    Raises:
        LibraryError: it cannot be written.
    """
    columns = {name: getattr(copied, name) for name in _DTYPES}
    told = {
        "format_version": str(FORMAT_VERSION),
        "collection": copied.collection,
        "fingerprint": copied.fingerprint,
        "segments": json.dumps(sorted(copied.segments)),
    }
    metadata = {**told, "checksum": _checksum(told, columns)}
    write_durably(copied_path(directory, modality), [safetensors.numpy.save(columns, metadata=metadata)])


def read_copied(directory: Path, modality: Modality) -> Copied | None:
    """What `write_copied` wrote; None where nothing is.

    Raises:
        LibraryError: it is damaged, or a newer avsearch wrote it.
    """
    path = copied_path(directory, modality)
    try:
        with safetensors.safe_open(path, "np") as file:
            told = dict(file.metadata() or {})
            columns = {name: file.get_tensor(name) for name in _DTYPES}
        checksum = told.pop("checksum")
        if int(told["format_version"]) > FORMAT_VERSION:
            raise LibraryError(f"{path}: a newer avsearch wrote it.", hint="Upgrade avsearch.")
        if checksum != _checksum(told, columns):
            raise ValueError("another checksum")
        return Copied(told["collection"], told["fingerprint"], frozenset(json.loads(told["segments"])), **columns)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror}).", hint=AGAIN_HINT) from error
    except (ValueError, TypeError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise LibraryError(f"{path}: is damaged.", hint=AGAIN_HINT) from error


def _checksum(told: Mapping[str, str], columns: Mapping[str, NDArray[Any]]) -> str:
    digest = xxhash.xxh3_128(json.dumps(dict(told), sort_keys=True).encode())
    for name in _DTYPES:
        digest.update(np.ascontiguousarray(columns[name]).data)
    return digest.hexdigest()
