"""The library as a whole: figures, labels, indexing."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Depends, Request

from avsearch.catalog import EncoderRecord
from avsearch.errors import WeightsError
from avsearch.library import Library
from avsearch.localize import LOCALIZER_HINT
from avsearch.models.weights import read_header
from avsearch.remote import address
from avsearch.web.guard import HAS_TOKEN
from avsearch.web.indexing import Progress
from avsearch.web.overview import RootCount
from avsearch.web.refusals import Refused, documented, whole
from avsearch.web.services import Use, require_token
from avsearch.web.wire import (
    EncoderOut,
    FailureOut,
    FileCounts,
    IndexIn,
    IndexingOut,
    LabelOut,
    LabelsOut,
    LibraryOut,
    MediaCounts,
    MomentCounts,
    RootOut,
)

router = APIRouter(tags=["library"])


@router.get("/v1/library", responses=documented(), operation_id="library")
def library(request: Request, services: Use) -> LibraryOut:
    """The library in figures, its roots with what failed, and what this server allows."""
    opened, state = services.served.library(), services.served.state
    found = services.overviews.overview(opened, state.version)
    status = found.status
    return LibraryOut(
        library_id=opened.layout.config.library_id,
        generation=state.generation,
        directory=whole(str(opened.directory)),
        roots=[_root(it, reachable=services.reach.is_reachable(it.root.path)) for it in found.roots],
        media=MediaCounts.model_validate(status.media),
        hours=status.hours,
        moments=MomentCounts.model_validate(status.moments),
        encoder=_encoder(status.encoder),
        localizer=_localizer(opened),
        localizer_hint=LOCALIZER_HINT,
        indexing=_indexing(services.indexing.progress),
        upload_limit_bytes=services.settings.limits.upload_bytes,
        needs_token=not request.scope.get(HAS_TOKEN, False),
    )


@router.get("/v1/labels", responses=documented(), operation_id="labels")
def labels(services: Use) -> LabelsOut:
    """All labels, and how many media have each."""
    counts = services.overviews.labels(services.served.library(), services.served.state.version)
    return LabelsOut(labels=[LabelOut(label=whole(name), media=count) for name, count in counts.items()])


@router.get("/v1/index", responses=documented(), operation_id="indexing")
def indexing(services: Use) -> IndexingOut | None:
    """How far the indexing run of this server is; null if there was none."""
    return _indexing(services.indexing.progress)


@router.post(
    "/v1/index",
    status_code=202,
    responses=documented(404, 408, 409, 413),
    dependencies=[Depends(require_token)],
    operation_id="start_indexing",
)
def start_indexing(asked: IndexIn, services: Use) -> IndexingOut:
    """Read what is new or changed below a root, or below all of them. Needs the token."""
    roots = services.served.library().catalog.roots()
    paths = [root.path for root in roots if asked.root_id in {None, root.id}]
    if not paths:
        raise Refused(404, "The library has no such root.", hint="`avsearch index FOLDER` makes one.")
    begun = _indexing(services.indexing.start(paths, retry_failed=asked.retry_failed))
    assert begun is not None
    return begun


def _root(found: RootCount, *, reachable: bool) -> RootOut:
    return RootOut(
        id=found.root.id,
        path=whole(address(found.root.path)),
        files=FileCounts.model_validate(found.files),
        failures=[FailureOut(path=whole(address(path)), reason=whole(reason)) for path, reason in found.failures],
        reachable=reachable,
    )


def _encoder(record: EncoderRecord | None) -> EncoderOut | None:
    if record is None:
        return None
    return EncoderOut(
        architecture=record.architecture, recipe=record.recipe, size=record.size, fingerprint=record.fingerprint
    )


def _localizer(opened: Library) -> EncoderOut | None:
    path = opened.localizer_path()
    if path is None:
        return None
    try:
        header = read_header(path)
    except WeightsError:  # it is said where it is asked for
        return None
    return EncoderOut(
        architecture=header.architecture,
        recipe=header.recipe_name,
        size=header.size,
        fingerprint=header.fingerprint,
    )


def _indexing(progress: Progress | None) -> IndexingOut | None:
    if progress is None:
        return None
    return IndexingOut.model_validate(asdict(progress) | {"message": whole(progress.message)})
