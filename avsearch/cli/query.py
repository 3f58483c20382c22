"""`avsearch query`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsearch.cli.options import JsonOption, LibraryOption, SearchDeviceOption, library_directory
from avsearch.cli.output import counted, list_failures, say, shown_progress
from avsearch.cli.query_output import Outputs, write_answers
from avsearch.errors import UsageError

if TYPE_CHECKING:
    from avsearch.moments import Failed, Modality
    from avsearch.query import Found, Query, Source, Term
    from avsearch.query.asking import Asked

STDIN = "-"


class Side(StrEnum):
    """A modality, as the command line names it."""

    IMAGE = "image"
    AUDIO = "audio"


SourceArgument = Annotated[
    str | None,
    typer.Argument(
        help="A picture, sound or video, also behind a URL; a moment of it, or a stretch; - for what is piped in. "
        "A folder or a manifest asks with each of its files.",
        metavar="FILE[@S|@A-B]",
    ),
]
Find = Annotated[Side, typer.Option("--find", metavar="image|audio", help="What to find.")]
By = Annotated[
    Side | None,
    typer.Option(
        "--by",
        metavar="image|audio",
        help="The side of videos to ask with.",
        show_default="the other than --find",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option("--like", metavar="MOMENT_ID", help="Ask with a moment of the library: more like this hit."),
]
Plus = Annotated[
    list[str] | None,
    typer.Option("--plus", metavar="FILE[@S|@A-B][*W]", help="More of this too, with weight W."),
]
Minus = Annotated[
    list[str] | None,
    typer.Option("--minus", metavar="FILE[@S|@A-B][*W]", help="Less of this, with weight W."),
]
Crop = Annotated[
    str | None,
    typer.Option("--crop", metavar="L,T,R,B", help="Ask with a part of the picture, in fractions, as 0.5,0,1,1."),
]
NumHits = Annotated[int, typer.Option("-k", metavar="N", min=1, max=10_000, help="How many hits.")]
PerMedia = Annotated[int, typer.Option("--per-media", metavar="N", min=1, help="How many hits one media may have.")]
Where = Annotated[
    str, typer.Option("--where", metavar="EXPR", help='Only these media, as "label=drum and duration<60".')
]
MinScore = Annotated[float | None, typer.Option("--min-score", metavar="X", help="Leave out what scores less.")]
ExcludeSelf = Annotated[bool, typer.Option("--exclude-self", help="Leave out the media that ask.")]
Duplicates = Annotated[bool, typer.Option("--duplicates", help="Show near-duplicates of better hits too.")]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Compare with every moment, without an index or Milvus."),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures and sounds of the hits.")
]
M3u = Annotated[
    Path | None, typer.Option("--m3u", metavar="FILE", help="Write a playlist for players; - for stdout.")
]
Edl = Annotated[
    Path | None, typer.Option("--edl", metavar="FILE", help="Write a CMX 3600 list for editors; - for stdout.")
]
Thumbnails = Annotated[
    bool | None,
    typer.Option(
        "--thumbnails/--no-thumbnails",
        help="Draw the hits in the terminal.",
        show_default="where it has pictures (Kitty, iTerm2, WezTerm)",
    ),
]


def query(
    source: SourceArgument = None,
    *,
    find: Find,
    by: By = None,
    like: Like = None,
    plus: Plus = None,
    minus: Minus = None,
    crop: Crop = None,
    k: NumHits = 30,
    per_media: PerMedia = 1,
    where: Where = "",
    min_score: MinScore = None,
    exclude_self: ExcludeSelf = False,
    duplicates: Duplicates = False,
    exact: Exact = False,
    library: LibraryOption = None,
    device: SearchDeviceOption = "auto",
    html: Html = None,
    m3u: M3u = None,
    edl: Edl = None,
    thumbnails: Thumbnails = None,
    as_json: JsonOption = False,
) -> None:
    """Find the moments that are most like a picture or a sound.

    A stretch, or a whole sound, asks with the mean of its seconds; docs/search.md has all that can be asked.

    Example: avsearch query still.jpg --find audio --where "duration<60"
    """
    from avsearch.moments import Modality
    from avsearch.query.asking import Query

    outputs = Outputs(as_json=as_json, html=html, m3u=m3u, edl=edl, thumbnails=thumbnails)
    outputs.check()
    asked = _Words(source, like or [], plus or [], minus or [], crop, None if by is None else Modality(by))
    with ExitStack() as stack:
        terms = asked.terms(stack)
        wanted = Query(Modality(find), terms, k, where, per_media, min_score, exclude_self, duplicates, exact)
        _answer(library_directory(library), asked, wanted, device, outputs)


def _answer(directory: Path, asked: _Words, wanted: Query, device: str, outputs: Outputs) -> None:
    """Ask, tell what was found, and which files could not ask."""
    answers, failures = _answers(directory, asked, wanted, device)
    write_answers(answers, outputs, directory, is_batch=asked.is_batch)
    if failures:
        say(f"{counted(len(failures), 'file')} could not ask:")
        list_failures(failures)
        raise typer.Exit(3)


@dataclass(frozen=True)
class _Words:
    """What was typed to ask with."""

    source: str | None
    like: Sequence[str]
    plus: Sequence[str]
    minus: Sequence[str]
    crop: str | None
    by: Modality | None

    @property
    def is_batch(self) -> bool:
        from avsearch.query.asking import is_batch

        return self.source is not None and self.source != STDIN and is_batch(Path(self.source))

    @property
    def text(self) -> str:
        """The question in one line."""
        parts = [*([self.source] if self.source else []), *(f"like {it}" for it in self.like)]
        return " ".join([*parts, *(f"+ {it}" for it in self.plus), *(f"- {it}" for it in self.minus)])

    def terms(self, stack: ExitStack) -> tuple[Term, ...]:
        """The terms; what is piped in lies in a file until the stack is closed."""
        from avsearch.query.asking import Term, parse_moment

        by = self.by
        terms = []
        if self.source is not None:
            terms.append(Term(self._cropped(_source(self.source, stack)), by=by))
        elif self.crop is not None:
            raise UsageError("--crop cuts a file that asks.", hint="Give FILE first.")
        terms += [Term(parse_moment(text)) for text in self.like]
        for texts, sign in ((self.plus, 1.0), (self.minus, -1.0)):
            terms += [_with_side(_weighted(text, sign, stack), by) for text in texts]
        if not any(term.weight > 0 for term in terms):
            raise UsageError("There is nothing to ask with.", hint="Give a FILE, --like MOMENT_ID, or --plus FILE.")
        return tuple(terms)

    def _cropped(self, source: Source) -> Source:
        if self.crop is None:
            return source
        from avsearch.moments import Box

        try:
            return replace(source, crop=Box(*map(float, self.crop.split(","))))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"--crop {self.crop}: is no part of a picture.",
                hint="Write left,top,right,bottom in fractions from 0 to 1, as 0.25,0.25,0.75,0.75.",
            ) from error


def _with_side(term: Term, by: Modality | None) -> Term:
    """The side that was named, of a file that has both."""
    from avsearch.media import probe
    from avsearch.query.asking import Source
    from avsearch.remote import read_here

    if by is None or not isinstance(term.source, Source):
        return term
    with read_here(term.source.path) as path:
        info = probe(path)
    return replace(term, by=by) if info.video is not None and info.audio is not None else term


def _weighted(text: str, sign: float, stack: ExitStack) -> Term:
    """`FILE[@S|@A-B][*W]`; a path that exists wins over the `*`."""
    from avsearch.query.asking import Term

    name, star, weight = text.rpartition("*")
    if not star or Path(text).exists():
        return Term(_source(text, stack), sign)
    try:
        return Term(_source(name, stack), sign * float(weight))
    except ValueError:
        return Term(_source(text, stack), sign)


def _source(text: str, stack: ExitStack) -> Source:
    from avsearch.query.asking import Source, parse_source

    if text == STDIN:
        from avsearch.media.given import kept

        return Source(stack.enter_context(kept(sys.stdin.buffer, name="stdin")))
    return parse_source(text)


def _answers(
    directory: Path, words: _Words, wanted: Query, device: str
) -> tuple[Sequence[Asked], Sequence[Failed]]:
    """What was found, and the files of a batch that could not ask; a running server has everything loaded."""
    from avsearch.cli.ask_server import ask_server
    from avsearch.query.asking import Asked

    if words.is_batch:
        return _batch_answers(directory, Path(words.source or ""), wanted, device)
    found = ask_server(directory, wanted) or _ask_here(directory, wanted, device)
    return [Asked(words.text, wanted.find, found)], []


def _ask_here(directory: Path, wanted: Query, device: str) -> Found:
    from avsearch.library import open_library
    from avsearch.query import ask

    return ask(open_library(directory), wanted, device=device)


def _batch_answers(
    directory: Path, source: Path, wanted: Query, device: str
) -> tuple[Sequence[Asked], Sequence[Failed]]:
    from avsearch.library import open_library
    from avsearch.moments import Failed
    from avsearch.query.batch import ask_all, batch_files

    files = batch_files(source)
    with shown_progress() as progress:
        given = list(ask_all(open_library(directory), files, wanted, device=device, progress=progress))
    failures = [it for it in given if isinstance(it, Failed)]
    return [it for it in given if not isinstance(it, Failed)], failures
