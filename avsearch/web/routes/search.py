"""Queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastapi import APIRouter, Request

from avsearch.catalog import MediaRecord
from avsearch.errors import LibraryError, MediaError
from avsearch.library import Library
from avsearch.moments import SECOND_US, Box, Hit, Modality, Moment
from avsearch.query import Found, Prepared, Query, Session, Source, Term, parse_moment
from avsearch.query.embedding import stored_vector
from avsearch.remote import address
from avsearch.web.files import readable_media
from avsearch.web.observing import seen_of
from avsearch.web.refusals import Refused, documented, whole
from avsearch.web.served import Asked
from avsearch.web.services import Services, Use
from avsearch.web.uploads import told
from avsearch.web.wire import HitOut, SearchIn, SearchOut, TermIn

router = APIRouter(tags=["search"])
_HALF_US = SECOND_US // 2


@dataclass(frozen=True)
class _Answer:
    found: Found
    hits: list[HitOut]
    generation: str


@router.post("/v1/search", responses=documented(404, 408, 409, 413), operation_id="search")
async def search(request: Request, asked: SearchIn, services: Use) -> SearchOut:
    """Find the moments that are most like what is asked with."""
    seen = seen_of(request)
    answer, waited_s = await _answered(request, asked, services)
    seen.stages |= {"queue": waited_s, **answer.found.timings}
    seen.notes |= {"find": asked.find, "terms": len(asked.terms), "hits": len(answer.hits)}
    return SearchOut(
        hits=answer.hits,
        num_duplicates=answer.found.num_duplicates,
        timings={f"{name}_s": seconds for name, seconds in seen.stages.items()} | {"total_s": seen.seconds},
        generation=answer.generation,
    )


async def _answered(request: Request, asked: SearchIn, services: Services) -> tuple[_Answer, float]:
    """The answer, and how long it was waited for; a thread that decodes is free again before the search begins."""
    if all(term.upload_id is None for term in asked.terms):
        return await services.searching.run(request, lambda: _found(*_prepared(services, asked)))
    prepared, waited_s = await services.asking.run(request, lambda: _prepared(services, asked))
    answer, more_s = await services.searching.run(request, lambda: _found(*prepared))
    return answer, waited_s + more_s


def _prepared(services: Services, asked: SearchIn) -> tuple[Asked, Prepared]:
    if "\0" in asked.where:
        raise Refused(422, "The filter holds a character that no name has.", hint="Leave it out.")
    serving = services.served.asked()
    _require_moments(serving.session, asked.find)
    with _query(services, serving.session, asked) as query:
        return serving, serving.session.prepare(query)


def _found(serving: Asked, prepared: Prepared) -> _Answer:
    found = serving.session.rank(prepared)
    return _Answer(found, described(serving.session.library, found), serving.generation)


def _require_moments(session: Session, find: Modality) -> None:
    if not any(map(len, session.view.segments[find])):
        raise Refused(409, f"The library holds no {find} moments.", hint=f"Ask for {find.other} instead.")


def described(library: Library, found: Found) -> list[HitOut]:
    """Hits as they travel, with what the catalog says of their media and the root that each file lies below."""
    folders = [root.path for root in library.catalog.roots()]
    return [_hit(hit, found.media[hit.media_id], folders) for hit in found.hits]


def _hit(hit: Hit, record: MediaRecord, folders: Sequence[Path]) -> HitOut:
    root = next((folder for folder in folders if hit.path.is_relative_to(folder)), hit.path.parent)
    return HitOut(
        rank=hit.rank,
        score=hit.score,
        path=whole(address(hit.path)),
        media_id=hit.media_id,
        moment_id=hit.moment_id,
        modality=hit.modality,
        start_s=hit.start_s,
        end_s=hit.end_s,
        from_s=hit.from_s,
        to_s=hit.to_s,
        labels=[whole(label) for label in hit.labels],
        duration_s=hit.duration_s,
        kind=hit.kind,
        name=whole(hit.path.name),
        root=whole(address(root)),
        has_picture=record.info.video is not None,
        has_sound=record.info.audio is not None,
    )


@contextmanager
def _query(services: Services, session: Session, asked: SearchIn) -> Iterator[Query]:
    """The query that a request means; the files that it names stay until the block ends, and are called by name."""
    names: dict[Path, str] = {}
    with ExitStack() as stack:
        terms = tuple(_term(services, session, it, stack, names) for it in asked.terms)
        try:
            yield Query(
                find=asked.find,
                terms=terms,
                k=asked.k,
                where=asked.where,
                per_media=asked.per_media,
                min_score=asked.min_score,
                exclude_self=asked.exclude_self,
                duplicates=asked.duplicates,
                exact=asked.exact,
            )
        except MediaError as error:
            message = error.message
            for path, name in names.items():
                message = told(message, path, name)
            raise MediaError(message, hint=error.hint) from error


def _term(services: Services, session: Session, asked: TermIn, stack: ExitStack, names: dict[Path, str]) -> Term:
    if (asked.upload_id is None) == (asked.moment_id is None):
        raise Refused(422, "A term is either an upload or a moment.", hint="Give upload_id or moment_id.")
    if asked.upload_id is not None:
        upload = stack.enter_context(services.uploads.use(asked.upload_id))
        names[upload.path] = upload.name
        source: Source | Moment = _source(upload.path, asked)
    else:
        source = _stored(session, asked, stack)
    return Term(source, weight=asked.weight, by=_side(source, asked))


def _stored(session: Session, asked: TermIn, stack: ExitStack) -> Source | Moment:
    """A moment by its vector; a part of its picture, or another stretch of its media, by the file."""
    moment = parse_moment(asked.moment_id or "")
    if asked.crop is None and asked.start_s is None and asked.end_s is None:
        _require_known(session, moment)
        return moment
    found = stack.enter_context(readable_media(session.library, moment.media_id))
    start_us = moment.start_us + (_HALF_US if moment.modality is Modality.AUDIO and asked.crop else 0)
    return _source(found.path, asked, start_us=start_us)


def _require_known(session: Session, moment: Moment) -> None:
    is_live = np.isin(moment.media_id, session.view.snapshot.live_media_ids)
    try:
        stored_vector(moment, session.view.segments[moment.modality] if is_live else ())
    except LibraryError as error:
        raise Refused(404, error.message, hint=error.hint) from error


def _source(path: Path, asked: TermIn, *, start_us: int | None = None) -> Source:
    if asked.start_s is not None:
        start_us = round(asked.start_s * SECOND_US)
    end_us = None if asked.end_s is None else round(asked.end_s * SECOND_US)
    if end_us is not None and end_us <= (start_us or 0):
        raise Refused(422, "The stretch ends before it begins.", hint="Give start_s < end_s.")
    if end_us is not None and start_us is None:
        start_us = 0
    return Source(path, start_us, end_us, _box(asked))


def _box(asked: TermIn) -> Box | None:
    if asked.crop is None:
        return None
    try:
        return Box(*asked.crop)
    except ValueError:
        raise Refused(
            422, "The crop is no part of a picture.", hint="Give left < right and top < bottom."
        ) from None


def _side(source: Source | Moment, asked: TermIn) -> Modality | None:
    """A crop asks with the picture."""
    is_cropped = isinstance(source, Source) and source.crop is not None
    return asked.by or (Modality.IMAGE if is_cropped else None)
