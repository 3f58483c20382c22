"""What is evaluated: items with labels and groups, and the vectors that ask and are ranked.

Both protocols end in this one structure, so that retrieval is one function over it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsearch.errors import UsageError
from avsearch.evaluation.problems import Problem
from avsearch.evaluation.relevance import BINARY, ClassRelevance, Gain, Grading, LabelSets, Relevance, label_sets
from avsearch.manifest import ManifestRow
from avsearch.moments import Modality

GROUP_SEPARATOR = "|"
UNIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate, and how; the seed draws the frames of the paper's protocol, and samples of queries."""

    manifest: Path
    split: str = "test"
    label_column: str = "labels"
    group_columns: tuple[str, ...] = ()
    k: int = 30
    seed: int = 0
    relevance: Relevance = Relevance.IOU
    gain: Gain = Gain.EXPONENTIAL
    ontology: Path | None = None

    @property
    def grading(self) -> Grading:
        """How relevance is graded beside the headline, which only asks whether a label is shared."""
        return BINARY if self.relevance is Relevance.OVERLAP else Grading(self.relevance, self.gain)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"nDCG needs at least one rank, not {self.k}.", hint="The paper uses 30.")
        if self.seed < 0:
            raise UsageError(f"A seed is not negative, but this is {self.seed}.", hint="Give 0 or more.")
        if self.relevance is Relevance.ONTOLOGY and self.ontology is None:
            raise UsageError(
                "Relevance by ontology needs the ontology.", hint="Name AudioSet's ontology.json with --ontology."
            )


@dataclass(frozen=True)
class Protocol:
    """How the vectors came about: `name` is `library` or `paper`; the two are never mixed in one table."""

    name: str
    description: str
    fingerprint: str
    architecture: str
    recipe: str
    size: str
    seed: int | None = None


@dataclass(frozen=True)
class TimedVectors:
    """The moments of one item in one modality: `vector` (n, D) unit rows, `start_us` (n,) int64, their begin."""

    vector: NDArray[np.floating]
    start_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vector)


@dataclass(frozen=True)
class ItemVectors:
    """All vectors of one modality.

    Attributes:
        vector: (R, D) float32 or float16, unit rows.
        item: (R,) int64, ascending; the index of the item that each row belongs to.
        start_us: (R,) int64; when the moment of each row begins in its file.
    """

    vector: NDArray[np.floating]
    item: NDArray[np.int64]
    start_us: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.vector.ndim != 2 or not self.item.shape == self.start_us.shape == self.vector.shape[:1]:
            raise ValueError(
                f"{self.vector.shape} vectors do not fit {self.item.shape} items at {self.start_us.shape} times"
            )
        if np.any(np.diff(self.item) < 0):
            raise ValueError("the rows must be sorted by item")
        squares = np.einsum("rd,rd->r", self.vector, self.vector, dtype=np.float32, casting="same_kind")
        if not np.all(np.abs(squares - 1.0) < UNIT_TOLERANCE):
            raise ValueError("the rows must be unit vectors")


@dataclass(frozen=True)
class Items:
    """The N items of an evaluation, in the order of the manifest.

    Attributes:
        names: the path of each, as the manifest writes it.
        paths: where the file of each lies.
        labels: the labels of each, at least one.
        groups: the (column, value) pairs that each is known by.
        vectors: those of each modality that the encoder has; an item without picture or sound has none there.
        settings: what was asked for.
        classes: the relevance of labels to each other, where an ontology says it.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[frozenset[str], ...]
    groups: tuple[frozenset[tuple[str, str]], ...]
    vectors: Mapping[Modality, ItemVectors]
    settings: EvaluationSettings
    protocol: Protocol
    problems: tuple[Problem, ...] = ()
    classes: ClassRelevance | None = None

    @functools.cached_property
    def label_sets(self) -> LabelSets:
        """The distinct sets of labels."""
        return label_sets(self.labels, self.classes)

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.paths) == len(self.labels) == len(self.groups):
            raise ValueError("names, paths, labels and groups must be of one length")
        if not all(self.labels):
            raise ValueError("every item needs a label")
        for vectors in self.vectors.values():
            if vectors.item.size and not 0 <= vectors.item[0] <= vectors.item[-1] < len(self.names):
                raise ValueError("a vector belongs to no item")


def group_values(row: ManifestRow, columns: Sequence[str]) -> frozenset[tuple[str, str]]:
    """The (column, value) pairs of a row; `|` stands between several values, and empty ones do not count."""
    parts = ((column, part.strip()) for column in columns for part in row.columns[column].split(GROUP_SEPARATOR))
    return frozenset((column, part) for column, part in parts if part)


def name_of(row: ManifestRow) -> str:
    """The path as the manifest writes it, which tells nothing about this machine."""
    return row.columns["path"]
