"""The whole main job on a collection made on the spot: make, train, index, query, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import State
from avsearch.demo.collection import make_collection
from avsearch.evaluation import EvaluationSettings, Report
from avsearch.evaluation.job import EvaluateJob, run_evaluation
from avsearch.library import Library, open_library
from avsearch.manifest import read_manifest
from avsearch.moments import DIRECTIONS, Failed, Hit, Modality, Progress
from avsearch.query import Source, search
from indexer.build import IndexJob, index
from indexer.events import Committed, Event, FileDone, Found, Listener, Walking
from trainer.config import TrainJob
from trainer.loop import train
from trainer.recipes import ave_nce

HITS = 3


@dataclass(frozen=True)
class DemoJob:
    """Where to make the demo, and how long to train."""

    directory: Path
    minutes: float
    clips_per_kind: int
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class DemoQuery:
    """One of the four directions, asked with a test clip."""

    source: Path
    by: Modality
    find: Modality
    hits: list[Hit]


@dataclass(frozen=True)
class DemoResult:
    """What was made, and what it found."""

    library: Path
    report: Path
    queries: Sequence[DemoQuery]
    evaluation: Report
    failures: Sequence[Failed]


def run_demo(job: DemoJob, progress: Progress) -> DemoResult:
    """Do what is not done yet: a second call uses the clips, the weights and the library of the first.

    Raises:
        AvsearchError: ffmpeg is missing, the disk is full, or the folder holds something else.
    """
    manifest = make_collection(
        job.directory / "collection", clips_per_kind=job.clips_per_kind, seed=job.seed, progress=progress
    )
    weights = _weights(job, manifest, progress)
    place = job.directory / "library"
    indexed = index(
        IndexJob([manifest.parent], place, model=weights, manifest=manifest, device=job.device),
        stages_of(progress),
    )
    library = open_library(place)
    queries = _queries(library, manifest, job.device)
    report = job.directory / "report"
    settings = EvaluationSettings(manifest, label_column="kind")
    evaluation = run_evaluation(EvaluateJob([place], settings, report, device=job.device), progress)
    return DemoResult(place, report, queries, evaluation, indexed.failures)


def stages_of(progress: Progress) -> Listener:
    """The events of indexing as stages of the demo."""
    num_failed = 0

    def tell(event: Event) -> None:
        nonlocal num_failed
        match event:
            case Found():
                progress.stage("index", event.num_files, "file")
            case FileDone():
                num_failed += event.state is State.FAILED
                progress.advance(note=f"{num_failed} failed" if num_failed else "")
            case Walking() | Committed():  # too quick to tell of
                pass

    return tell


def _weights(job: DemoJob, manifest: Path, progress: Progress) -> Path:
    """The weights of an earlier call, or new ones; a run that was cut off is resumed."""
    out = job.directory / "run"
    weights = out / "encoder.safetensors"
    if weights.exists():
        return weights
    begun = (out / "checkpoints" / "last.safetensors").exists()
    return train(
        TrainJob(
            config=ave_nce("small"),
            paths=[manifest.parent],
            out=out,
            manifest=manifest,
            minutes=job.minutes,
            resume=begun,
            seed=job.seed,
            device=job.device,
        ),
        progress,
    ).weights


def _queries(library: Library, manifest: Path, device: str) -> list[DemoQuery]:
    """A test clip of a kind of its own for each direction."""
    rows = {row.labels[0]: row for row in read_manifest(manifest).in_split("test")}
    sources = [row.path for row in rows.values()]
    return [
        DemoQuery(
            source=path,
            by=direction.query,
            find=direction.target,
            hits=search(library, Source(path), find=direction.target, by=direction.query, k=HITS, device=device),
        )
        for path, direction in zip(sources, DIRECTIONS, strict=False)
    ]
