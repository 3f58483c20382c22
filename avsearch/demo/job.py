"""The whole main job on a collection made on the spot: make, train, index, query, localize, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsearch.catalog import State
from avsearch.demo.collection import make_collection
from avsearch.evaluation import EvaluationSettings, Report
from avsearch.evaluation.job import EvaluateJob, run_evaluation
from avsearch.library import Library, open_library
from avsearch.localize.job import LocalizeJob
from avsearch.localize.parts import Part
from avsearch.localize.still import Still, localize_still
from avsearch.manifest import ManifestRow, read_manifest
from avsearch.moments import DIRECTIONS, Failed, Hit, Modality, Progress
from avsearch.query import Source, search
from indexer.build import index
from indexer.events import Committed, Elsewhere, Event, FileDone, Found, Listener, Walking
from indexer.index_job import IndexJob
from trainer.config import TrainConfig, TrainJob
from trainer.loop import train
from trainer.recipes import ave_nce, avol_nce

HITS = 3
FULL_MINUTES = 6.0
LOCALIZER_SHARE = 1 / 3
"""Of the minutes of training, if there are `FULL_MINUTES` or more, less of fewer. A localizer learns where sounds
come from all at once, between 60 steps and 90, which take a minute and a half. Before that its minutes are lost
to the encoder, which gains from each (docs/benchmarks.md)."""


@dataclass(frozen=True)
class DemoJob:
    """Where to make the demo, and how long to train, both networks together."""

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
class DemoMap:
    """Where in a test clip its sound comes from, and the picture that shows it."""

    source: Path
    out: Path
    still: Still


@dataclass(frozen=True)
class DemoResult:
    """What was made, and what it found."""

    library: Path
    report: Path
    queries: Sequence[DemoQuery]
    map: DemoMap
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
    weights, localizer = train_both(job, manifest, progress)
    place = job.directory / "library"
    indexed = index(
        IndexJob([manifest.parent], place, model=weights, manifest=manifest, device=job.device),
        stages_of(progress),
    )
    library = open_library(place)
    with library.writer("set-localizer") as writer:
        writer.set_localizer(localizer)
    clips = _test_clips(manifest)
    queries = _queries(library, clips, job.device)
    seen = _localized(job, clips[0].path, localizer)
    report = job.directory / "report"
    settings = EvaluationSettings(manifest, label_column="kind")
    evaluation = run_evaluation(EvaluateJob([place], settings, report, device=job.device), progress)
    return DemoResult(place, report, queries, seen, evaluation, indexed.failures)


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
            case Walking() | Committed() | Elsewhere():  # too quick to tell of, or not met here
                pass

    return tell


def train_both(job: DemoJob, manifest: Path, progress: Progress) -> tuple[Path, Path]:
    """The weights of the encoder that searches, and of the localizer; both learn from the same decoded clips."""
    share = LOCALIZER_SHARE * min(job.minutes / FULL_MINUTES, 1.0)
    runs = (("run", ave_nce("small"), 1 - share), ("run-localizer", avol_nce("small"), share))
    encoder, localizer = (
        _weights(job, manifest, config, out=job.directory / name, minutes=part * job.minutes, progress=progress)
        for name, config, part in runs
    )
    return encoder, localizer


def _weights(
    job: DemoJob, manifest: Path, config: TrainConfig, *, out: Path, minutes: float, progress: Progress
) -> Path:
    """The weights of an earlier call, or new ones; a run that was cut off is resumed."""
    weights = out / "encoder.safetensors"
    if weights.exists():
        return weights
    begun = (out / "checkpoints" / "last.safetensors").exists()
    return train(
        TrainJob(
            config=config,
            paths=[manifest.parent],
            out=out,
            manifest=manifest,
            cache=job.directory / "run" / "cache",
            minutes=minutes,
            resume=begun,
            seed=job.seed,
            device=job.device,
        ),
        progress,
    ).weights


def _test_clips(manifest: Path) -> list[ManifestRow]:
    """The last test clip of each kind."""
    return list({row.labels[0]: row for row in read_manifest(manifest).in_split("test")}.values())


def _queries(library: Library, clips: Sequence[ManifestRow], device: str) -> list[DemoQuery]:
    """A clip of a kind of its own for each direction."""
    return [
        DemoQuery(
            source=clip.path,
            by=direction.query,
            find=direction.target,
            hits=search(
                library, Source(clip.path), find=direction.target, by=direction.query, k=HITS, device=device
            ),
        )
        for clip, direction in zip(clips, DIRECTIONS, strict=False)
    ]


def _localized(job: DemoJob, clip: Path, localizer: Path) -> DemoMap:
    out = job.directory / "map.png"
    return DemoMap(clip, out, localize_still(LocalizeJob(Part(clip), None, localizer, out, job.device)))
