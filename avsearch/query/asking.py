"""What is asked: files, parts of them and stored moments, which hits are to lie near to, or far from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avsearch.errors import UsageError
from avsearch.moments import SECOND_US, Box, Hit, Modality, Moment

if TYPE_CHECKING:
    from avsearch.catalog import MediaRecord

_AT = re.compile(r"^(?P<path>.+)@(?P<start>\d+(?:\.\d+)?)(?:-(?P<end>\d+(?:\.\d+)?))?$", re.DOTALL)
_MOMENT_ID = re.compile(r"(?P<media>\d{1,18}):(?P<modality>image|audio):(?P<start>\d{1,18})", re.ASCII)
MOST_HITS = 10_000
MOST_TERMS = 32


@dataclass(frozen=True)
class Source:
    """A file to ask with, a moment of it, or a stretch of it; of its pictures perhaps only a part."""

    path: Path
    start_us: int | None = None
    end_us: int | None = None
    crop: Box | None = None


@dataclass(frozen=True)
class Term:
    """One thing that is asked with.

    Attributes:
        source: a file, or a moment that the library holds.
        weight: above 0, hits lie near to it; below 0, far from it. Each term is a unit vector before.
        by: the side of a video to ask with; by default the other than what is found, where there are both.
    """

    source: Source | Moment
    weight: float = 1.0
    by: Modality | None = None


@dataclass(frozen=True)
class Query:
    """A whole question.

    Attributes:
        find: what to find.
        terms: what to ask with; their weighted sum asks.
        k: how many hits.
        where: which media may be found, in the language of docs/search.md; empty for all.
        per_media: how many hits one media may have. Neighbouring moments that answer nearly as well are one hit.
        min_score: leave out what scores less.
        exclude_self: leave out the media that ask.
        duplicates: whether near-duplicates of a better hit are shown too.
        exact: compare with every moment, though there be an index.

    Raises:
        UsageError: it cannot mean anything.
    """

    find: Modality
    terms: tuple[Term, ...]
    k: int = 30
    where: str = ""
    per_media: int = 1
    min_score: float | None = None
    exclude_self: bool = False
    duplicates: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_HITS:
            raise UsageError(f"{self.k} hits cannot be found.", hint=f"Ask for 1 to {MOST_HITS} with -k.")
        if self.per_media < 1:
            raise UsageError("A media that is found has at least one hit.", hint="Give --per-media 1 or more.")
        if len(self.terms) > MOST_TERMS:
            raise UsageError(f"A query has at most {MOST_TERMS} terms, not {len(self.terms)}.")
        if not all(0 < abs(term.weight) < 1e6 for term in self.terms):  # no NaN either
            raise UsageError("A weight is a number other than 0.", hint="Write FILE*2 for twice the weight.")

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The stored moments among the terms."""
        return tuple(term.source for term in self.terms if isinstance(term.source, Moment))


@dataclass(frozen=True)
class Found:
    """What a query gave.

    Attributes:
        hits: best first.
        num_duplicates: media that were left out because a better hit is a copy of them.
        timings: seconds by stage.
        media: what the catalog says of the hits' media, by id; empty where another process has answered.
    """

    hits: tuple[Hit, ...]
    num_duplicates: int
    timings: Mapping[str, float]
    media: Mapping[int, MediaRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One query and what it found.

    Attributes:
        text: what was asked, as it was typed.
        find: what was found.
        found: the answer.
    """

    text: str
    find: Modality
    found: Found


def is_batch(path: Path) -> bool:
    """Whether a path means many queries: a folder, or a manifest."""
    return path.is_dir() or path.suffix.lower() == ".csv"


def parse_source(text: str) -> Source:
    """`FILE`, `FILE@S` or `FILE@A-B`, times in seconds; a path that exists wins over the `@`.

    Raises:
        UsageError: the stretch ends before it begins.
    """
    found = None if Path(text).exists() else _AT.match(text)
    if found is None:
        return Source(Path(text))
    start_us = round(float(found["start"]) * SECOND_US)
    end_us = None if found["end"] is None else round(float(found["end"]) * SECOND_US)
    if end_us is not None and end_us <= start_us:
        raise UsageError(f"{text}: the stretch ends before it begins.", hint="Write FILE@FROM-TO in seconds.")
    return Source(Path(found["path"]), start_us, end_us)


def parse_moment(text: str) -> Moment:
    """`MEDIA:MODALITY:START`, as a hit's `moment_id` has it.

    Raises:
        UsageError: it is none.
    """
    found = _MOMENT_ID.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} names no moment.", hint="Take `moment_id` of a hit, such as 12:audio:3000000, from --json."
        )
    return Moment(int(found["media"]), Modality(found["modality"]), int(found["start"]))
