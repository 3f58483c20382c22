"""The job behind `avsearch align`: networks and training clips in, one weights file with their projections out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avsearch.errors import TrainingError, UsageError, WeightsError, unwritable
from avsearch.manifest import read_manifest
from avsearch.models.aligned import ARCHITECTURE, AlignedNetwork, Projection, joined_front_end
from avsearch.models.header import Part, WeightsHeader
from avsearch.models.networks import save_network
from avsearch.models.weights import read_header
from avsearch.moments import Failed, Modality, Progress
from trainer import cca
from trainer.cache import fill_cache
from trainer.cca import Alignment, CanonicalAnalysis, PairStatistics
from trainer.dataset import Clips, evenly_chosen
from trainer.pair_vectors import PAIRS_PER_CLIP, Networks, PairVectors, load_networks, pair_vectors
from trainer.runlog import provenance
from trainer.sources import without_training_media

DEFAULT_COMPONENTS = 128
DEFAULT_RIDGE = 0.3
"""Where no clips validate; the papers name none. On 682 videos, with 110 others to choose by, a true pair lay
nearer than a false one most often with a ridge of 0.1 (L3-Net after 99 steps), 0.3 and 0.3 (pooled features of two
AVE-Nets), and in 0.004 fewer cases at most with 0.3; without a ridge in 0.05 to 0.13 fewer. One seed."""
RIDGES = (0.001, 0.01, 0.1, 0.3, 1.0, 10.0)
_MOST_VALIDATION_CLIPS = 256
_CORRELATIONS_KEPT = 8


@dataclass(frozen=True)
class AlignJob:
    """What to align, on what: one weights file, or one for pictures and one for sounds.

    Attributes:
        models: one or two weights files.
        manifest: CSV whose split `train` is aligned on; `val` chooses the ridge.
        out: the weights file to write.
        components: length of its vectors, or less where there are not so many.
        ridge: as `CanonicalAnalysis.align` has it; None to choose.
        cache: folder of decoded clips; `cache` beside `out` if None.
        device: where the networks run.
    """

    models: Sequence[Path]
    manifest: Path
    out: Path
    components: int = DEFAULT_COMPONENTS
    ridge: float | None = None
    cache: Path | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.components < 1 or (self.ridge is not None and self.ridge < 0):
            raise ValueError("there must be a component, and a ridge cannot be negative")


@dataclass(frozen=True)
class Aligned:
    """What a run has made.

    Attributes:
        weights: the file.
        header: its header.
        correlations: (K,) descending.
        num_pairs: frames and seconds that it was aligned on.
        ridge: the one that was used.
        nearer: how often a true pair of held-out media is nearer than a false one (0.5: chance); None without any.
        failures: files that could not be used.
    """

    weights: Path
    header: WeightsHeader
    correlations: NDArray[np.float64]
    num_pairs: int
    ridge: float
    nearer: float | None
    failures: Sequence[Failed]


def align(job: AlignJob, progress: Progress) -> Aligned:
    """Embed pairs of the training split, analyse them, and write networks and projections as one weights file.

    Raises:
        UsageError: not one or two models, or `out` is taken by something else.
        WeightsError: a model cannot be used, or lacks the modality that it is named for.
        ManifestError: the manifest cannot be read or has no training clips.
        TrainingError: fewer than two usable videos, or features that never vary.
    """
    _refuse_taken_file(job.out)
    networks = load_networks(job.models, job.device)
    train, val, failures = _clips(job, networks, progress)
    progress.stage("embed", train.num_media + (val.num_media if val else 0), "video")
    analysis, num_pairs = _analysed(networks, train, progress)
    held_out = _held_out(networks, val, progress) if val else None
    ridge = job.ridge if job.ridge is not None else best_ridge(analysis, job.components, held_out)
    alignment = analysis.align(job.components, ridge=ridge)
    nearer = nearer_pairs(alignment, held_out) if held_out else None
    reached = {
        "pairs": num_pairs,
        "correlations": [round(float(it), 4) for it in alignment.correlations[:_CORRELATIONS_KEPT]],
        "validation": {"nearer": nearer},
    }
    header = _header(networks, alignment, ridge, provenance(train, seed=0) | _sources(networks) | reached)
    saved = save_network(job.out, _joined(networks, header, alignment), header)
    return Aligned(job.out, saved, alignment.correlations, num_pairs, ridge, nearer, failures)


def best_ridge(analysis: CanonicalAnalysis, components: int, held_out: PairVectors | None) -> float:
    """The one of `RIDGES` with which held-out pairs find each other best; the usual one if there are none."""
    if held_out is None:
        return DEFAULT_RIDGE
    return max(RIDGES, key=lambda it: nearer_pairs(analysis.align(components, ridge=it), held_out))


def nearer_pairs(alignment: Alignment, held_out: PairVectors) -> float:
    """How often a frame lies nearer to its own second than to one of another video, or a second to its frame."""
    seen, heard = _unit_rows(alignment.x.apply(held_out.x)), _unit_rows(alignment.y.apply(held_out.y))
    cosine = seen @ heard.T
    own = cosine.diagonal()
    others = held_out.media[:, None] != held_out.media[None, :]
    return float(((own[:, None] > cosine)[others].mean() + (own[None, :] > cosine)[others].mean()) / 2)


def _refuse_taken_file(out: Path) -> None:
    """Only what an earlier call has written is written over."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(TrainingError, out, error.strerror) from error
    if not out.exists():
        return
    if out.is_dir():
        raise UsageError(f"{out}: is a folder.", hint="Name a file with --out, such as aligned.safetensors.")
    try:
        architecture = read_header(out).architecture
    except WeightsError as error:
        raise UsageError(f"{out}: holds something else.", hint="Name another --out.") from error
    if architecture != ARCHITECTURE:
        raise UsageError(f"{out}: holds a network ({architecture}).", hint="Name another --out.")


def _clips(job: AlignJob, networks: Networks, progress: Progress) -> tuple[Clips, Clips | None, list[Failed]]:
    """The clips of the splits `train` and `val`; no file of another split is opened, and no label is read."""
    manifest, cache = read_manifest(job.manifest), job.cache or job.out.parent / "cache"
    front_end = networks.image.header.front_end
    found, failures = fill_cache([row.path for row in manifest.in_split("train")], cache, front_end, progress)
    train = Clips.of(found)
    if train.num_media < 2:
        reason = f" {failures[0].path} was left out: {failures[0].reason}" if failures else ""
        raise TrainingError(
            f"Only {train.num_media} usable videos to align on.{reason}",
            hint="Name a manifest with two videos or more, of a second or more, with picture and sound.",
        )
    validating = [row.path for row in manifest.rows if row.split == "val"]
    if not validating:
        return train, None, failures
    found, more = fill_cache(validating, cache, front_end, progress)
    found, both = without_training_media(found, train.clips)
    val = Clips.of(evenly_chosen(found, _MOST_VALIDATION_CLIPS))
    return train, val if val.num_media >= 2 else None, failures + more + both


def _analysed(networks: Networks, clips: Clips, progress: Progress) -> tuple[CanonicalAnalysis, int]:
    statistics = PairStatistics(networks.image.network.dim, networks.audio.network.dim)
    for vectors in pair_vectors(networks, clips, progress):
        statistics.add(vectors.x, vectors.y)
    analysis = CanonicalAnalysis(statistics)
    if not analysis.most_components:
        raise TrainingError(
            f"The vectors of all {statistics.num_pairs} pairs are the same.", hint="Name other videos or models."
        )
    return analysis, statistics.num_pairs


def _held_out(networks: Networks, clips: Clips, progress: Progress) -> PairVectors:
    found = list(pair_vectors(networks, clips, progress))
    return PairVectors(*(np.concatenate([getattr(it, side) for it in found]) for side in ("x", "y", "media")))


def _unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    return unit


def _header(networks: Networks, alignment: Alignment, ridge: float, provenance: dict[str, Any]) -> WeightsHeader:
    image, audio = networks.image.header, networks.audio.header
    sides = networks.parts.values()
    components = len(alignment.correlations)
    name = "+".join([*(side.header.architecture for side in sides), ARCHITECTURE])
    return WeightsHeader(
        architecture=ARCHITECTURE,
        widths=(),
        size="+".join(dict.fromkeys(side.header.size for side in sides)),
        dim=components,
        modalities=tuple(Modality),
        num_frames=image.num_frames,
        front_end=joined_front_end(image.front_end, audio.front_end),
        recipe={"name": name, "components": components, "ridge": ridge, "pairs_per_clip": PAIRS_PER_CLIP},
        provenance=provenance,
        parts=tuple(
            Part(part, side.header.architecture, side.header.widths, side.network.dim)
            for part, side in networks.parts.items()
        ),
    )


def _sources(networks: Networks) -> dict[str, Any]:
    """What was aligned, for the provenance."""
    return {
        "sources": [
            {
                "part": part,
                "architecture": side.header.architecture,
                "recipe": side.header.recipe_name,
                "fingerprint": side.header.fingerprint,
                "provenance": dict(side.header.provenance),
            }
            for part, side in networks.parts.items()
        ]
    }


def _joined(networks: Networks, header: WeightsHeader, alignment: Alignment) -> AlignedNetwork:
    parts = {name: side.network for name, side in networks.parts.items()}
    joined = AlignedNetwork(parts, header.dim)
    _fill(joined.image_projection, alignment.x)
    _fill(joined.audio_projection, alignment.y)
    return joined


def _fill(ours: Projection, found: cca.Projection) -> None:
    ours.mean.copy_(torch.from_numpy(found.mean))
    ours.matrix.copy_(torch.from_numpy(found.matrix))
