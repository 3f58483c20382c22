"""What stands beside a structure: what it was made of, how it is asked, what was measured; never trusted unread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

from avsearch.errors import LibraryError
from avsearch.moments import Modality
from avsearch.vectors.ann.kinds import KINDS, Kind
from avsearch.vectors.durable import write_durably

FORMAT_VERSION = 1
OPTIMIZE_HINT = "Run `avsearch library optimize`, or delete the folder `ann`."
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Covered:
    """A segment whose rows are in the structure, in their order."""

    name: str
    num_rows: int
    checksum: str


@dataclass(frozen=True)
class Tuning:
    """How a structure is asked.

    Attributes:
        effort: lists that are read, or links that are followed, for a query of few hits.
        overfetch: times as many rows as are wanted are scored by their own vectors.
    """

    effort: int
    overfetch: int

    def __post_init__(self) -> None:
        if min(self.effort, self.overfetch) < 1:
            raise ValueError("a structure is asked for something")


@dataclass(frozen=True)
class Measured:
    """What a structure was found to do.

    Attributes:
        target: the recall@30 that was asked for.
        recall: of each direction, as `image-audio` for pictures that ask for sounds.
        exact_s: seconds of a query by exact search, the median.
        approximate_s: the same with the structure.
        build_s: seconds of training and adding.
    """

    target: float
    recall: Mapping[str, float]
    exact_s: float
    approximate_s: float
    build_s: float

    @property
    def lowest_recall(self) -> float:
        return min(self.recall.values())


@dataclass(frozen=True)
class AnnRecord:
    """A structure over the rows of one modality that one encoder made.

    Attributes:
        file: name of the faiss file, in the same folder.
        checksum: xxh3_128 of that file, in hexadecimal.
        num_media: that the covered rows belong to.
    """

    modality: Modality
    fingerprint: str
    dim: int
    kind_name: str
    tuning: Tuning
    segments: tuple[Covered, ...]
    num_media: int
    measured: Measured
    file: str
    num_bytes: int
    checksum: str

    def __post_init__(self) -> None:
        if self.kind_name not in KINDS or Path(self.file).name != self.file or not self.segments:
            raise ValueError("it names no kind, no file or no segment that there could be")

    @property
    def kind(self) -> Kind:
        return KINDS[self.kind_name]

    @property
    def num_rows(self) -> int:
        return sum(it.num_rows for it in self.segments)


def record_path(directory: Path, modality: Modality) -> Path:
    """Where the record of a modality lies."""
    return directory / f"{modality}.json"


def write_record(directory: Path, record: AnnRecord) -> None:
    """Write it, whole or not at all; from then on its structure is the one that is used.

    Raises:
        LibraryError: it cannot be written.
    """
    fields = asdict(record)
    told = {"format_version": FORMAT_VERSION, "checksum": _checksum(fields), "record": fields}
    write_durably(record_path(directory, record.modality), [json.dumps(told, indent=1).encode() + b"\n"])


def read_record(directory: Path, modality: Modality) -> AnnRecord | None:
    """What `write_record` wrote; None where nothing is.

    Raises:
        LibraryError: it is damaged, or a newer avsearch wrote it.
    """
    path = record_path(directory, modality)
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        if told["format_version"] > FORMAT_VERSION:
            raise LibraryError(f"{path}: a newer avsearch made this index.", hint=OPTIMIZE_HINT)
        if told["checksum"] != _checksum(told["record"]):
            raise ValueError("another checksum")
        record = _record(told["record"])
        if record.modality is not modality:
            raise ValueError("another modality")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LibraryError(f"{path}: cannot be read ({error.strerror}).", hint=OPTIMIZE_HINT) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LibraryError(f"{path}: is damaged.", hint=OPTIMIZE_HINT) from error
    return record


def _record(fields: Mapping[str, Any]) -> AnnRecord:
    made = {
        "modality": Modality(fields["modality"]),
        "tuning": Tuning(**fields["tuning"]),
        "segments": tuple(Covered(**it) for it in fields["segments"]),
        "measured": Measured(**fields["measured"]),
    }
    return AnnRecord(**{**fields, **made})


def _checksum(fields: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(fields, sort_keys=True).encode())
