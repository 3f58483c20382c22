"""What a reader of a report must know about the input: nothing is left out without a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class ProblemKind(Enum):
    """The name is for programs, the value for people, after a count."""

    UNLABELLED = "rows without a label, left out"
    MISSING = "rows whose file is missing, left out"
    NOT_INDEXED = "rows whose file is not in the library, left out"
    REMOVED = "rows whose file was removed from the library, left out"
    FAILED = "rows whose file cannot be read, left out"
    REPEATED = "rows with the same content as an earlier row, left out"
    WITHOUT_VECTOR = "rows with nothing that the model encodes, left out"
    WITHOUT_PICTURE = "items without a picture, which take part by their sound only"
    WITHOUT_SOUND = "items without a sound, which take part by their picture only"
    DUPLICATE_PATH = "rows that name a file again, left out"
    UNUSED_COLUMN = "columns of the manifest that say nothing to this evaluation"
    FOREIGN_LABEL = "labels that the ontology does not know, which match only themselves"
    BAD_BOXES = "rows whose boxes cannot be read, left out of pointing"
    LONE_LABEL = "labels that only one item bears, so that no other item matches it there"

    @property
    def is_unread(self) -> bool:
        """Whether files were to be read and could not be."""
        return self in {ProblemKind.FAILED, ProblemKind.MISSING}


@dataclass(frozen=True)
class Problem:
    """A kind of problem and its cases: the rows' paths as the manifest writes them, or labels."""

    kind: ProblemKind
    names: tuple[str, ...]


def gather_problems(cases: Iterable[tuple[ProblemKind, str]]) -> tuple[Problem, ...]:
    """One `Problem` for each kind that has cases, in the order of the kinds."""
    names: dict[ProblemKind, list[str]] = {kind: [] for kind in ProblemKind}
    for kind, name in cases:
        names[kind].append(name)
    return tuple(Problem(kind, tuple(found)) for kind, found in names.items() if found)
