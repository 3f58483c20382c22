"""What `avsearch query` prints and writes: a table, JSON, a page, a playlist, a list of cuts, pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsearch.cli.hit_cells import bar, seconds
from avsearch.cli.output import counted, print_json, print_table, say, shown_progress
from avsearch.errors import UsageError
from avsearch.remote import address

if TYPE_CHECKING:
    from avsearch.moments import Hit
    from avsearch.query.asking import Asked

STDOUT = Path("-")


@dataclass(frozen=True)
class Outputs:
    """What is wanted of the hits."""

    as_json: bool = False
    html: Path | None = None
    m3u: Path | None = None
    edl: Path | None = None
    thumbnails: bool | None = None

    @property
    def goes_to_stdout(self) -> bool:
        """Whether a list takes the place of the table."""
        return STDOUT in (self.m3u, self.edl)

    def check(self) -> None:
        """Refuse what cannot be done, before anything is.

        Raises:
            UsageError: two things want stdout, or a folder is missing.
        """
        if sum([self.as_json, self.m3u == STDOUT, self.edl == STDOUT]) > 1:
            raise UsageError("Only one thing can go to stdout.", hint="Give the others a FILE.")
        for path in filter(None, (self.html, self.m3u, self.edl)):
            if path != STDOUT and not path.absolute().parent.is_dir():
                raise UsageError(f"{path}: there is no such folder.", hint=f"Make {path.absolute().parent} first.")


def write_answers(answers: Sequence[Asked], outputs: Outputs, library: Path, *, is_batch: bool) -> None:
    """Everything that was wished for."""
    hits = [hit for asked in answers for hit in asked.found.hits]
    if outputs.as_json:
        print_hits_as_json(answers, is_batch=is_batch)
    elif not outputs.goes_to_stdout:
        _print_tables(answers, outputs, is_batch=is_batch)
    if outputs.m3u is not None:
        from avsearch.query.lists import m3u

        _write(outputs.m3u, m3u(hits))
    if outputs.edl is not None:
        _write(outputs.edl, _edl(hits, library, answers))
    if outputs.html is not None:
        from avsearch.query.gallery import gallery_html

        with shown_progress() as progress:
            _write(outputs.html, gallery_html(answers, progress))
    hidden = sum(asked.found.num_duplicates for asked in answers)
    if hidden:
        say(f"{counted(hidden, 'near-duplicate')} of these left out; --duplicates shows them too.")


def print_hits_as_json(answers: Sequence[Asked], *, is_batch: bool) -> None:
    """One object a hit; in a batch it says which file asked."""
    for asked in answers:
        for hit in asked.found.hits:
            print_json(({"query": asked.text} if is_batch else {}) | hit_record(hit))


def hit_record(hit: Hit) -> dict[str, Any]:
    """A hit as JSON has it."""
    return asdict(hit) | {"path": address(hit.path), "score": round(hit.score, 6), "labels": list(hit.labels)}


def print_hits(hits: Sequence[Hit]) -> None:
    """A table of hits; `start` can be given back as FILE@START."""
    rows = [
        [str(hit.rank), f"{hit.score:.3f}", bar(hit.score), seconds(hit.start_s), address(hit.path)] for hit in hits
    ]
    print_table(["rank", "score", "", "start", "path"], rows, right=["rank", "score", "start"])


def _print_tables(answers: Sequence[Asked], outputs: Outputs, *, is_batch: bool) -> None:
    from avsearch.cli.terminal_pictures import draw_hits, draws_pictures

    draws = sys.stdout.isatty() and draws_pictures() if outputs.thumbnails is None else outputs.thumbnails
    for asked in answers:
        if is_batch:
            say(f"{asked.text}:")
        if draws:
            draw_hits(asked.found.hits)
        else:
            print_hits(asked.found.hits)
        if not asked.found.hits:
            say("Nothing was found; a wider --where, or a lower --min-score, lets more in.")


def _edl(hits: Sequence[Hit], library: Path, answers: Sequence[Asked]) -> str:
    """The timecode and rate of each media come from the catalog."""
    from avsearch.library import open_library
    from avsearch.query.lists import edl

    records = open_library(library).catalog.media_records({hit.media_id for hit in hits})
    known = [hit for hit in hits if hit.media_id in records]
    title = " ".join(asked.text for asked in answers[:1])
    return edl(known, {media_id: record.info for media_id, record in records.items()}, title=title)


def _write(path: Path, text: str) -> None:
    """To a file, aside and then renamed; or to stdout."""
    if path == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from avsearch.vectors import write_durably

    write_durably(path, [text.encode("utf-8", "replace")])
    say(f"Written: {path}")
