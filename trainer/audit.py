"""The shortcut of audio-visual correspondence, measured: train with and without the remedy, and ask both.

The second of a positive is centred on a frame, so it can only be cut at some places. Where negatives are cut
anywhere, the cut gives them away: AVC rises, and search gets worse ("Objects that Sound", section 3.2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from avsearch.errors import UsageError
from avsearch.models.network import Network
from avsearch.models.networks import load_network
from avsearch.moments import Failed, Progress, Silent
from trainer.config import Objective, TrainJob
from trainer.loop import Trained, train
from trainer.preparation import Run, held_out, prepare
from trainer.validation import avc_with_other_cuts, validate


@dataclass(frozen=True)
class Audited:
    """One of the two networks, on held-out pairs.

    Attributes:
        negatives_on_grid: how the negatives that it was trained on were cut.
        avc_on_grid: AVC accuracy, positives and negatives cut around frame times.
        avc_off_grid: AVC accuracy, the same positives, negatives cut anywhere.
        ndcg: nDCG@30 of finding one's own pair, mean over both directions.
        steps: that it was trained for.
        weights: its file.
    """

    negatives_on_grid: bool
    avc_on_grid: float
    avc_off_grid: float
    ndcg: float
    steps: int
    weights: Path


@dataclass(frozen=True)
class Audit:
    """Both networks, which differ in nothing else, and the files that could not be used."""

    on_grid: Audited
    off_grid: Audited
    failures: Sequence[Failed]

    def record(self) -> dict[str, Any]:
        """Both networks as a JSON object."""
        return {"networks": [asdict(one) | {"weights": str(one.weights)} for one in (self.on_grid, self.off_grid)]}

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.record(), indent=2) + "\n", encoding="utf-8")


def audit(job: TrainJob, progress: Progress) -> Audit:
    """Train into `job.out`/on-grid and `job.out`/off-grid, the same number of steps, and ask both networks.

    Raises:
        UsageError: the recipe has no negatives of its own.
        TrainingError, MediaError, ManifestError: see `trainer.loop.train`.
    """
    if job.config.objective is not Objective.AVC:
        raise UsageError(
            f"The recipe {job.config.name} contrasts true seconds; it has no negatives that can be cut elsewhere.",
            hint="Audit one that asks whether a pair corresponds: ave, l3, avol, avol-attention, ave-mf or ave-of.",
        )
    job = replace(job, cache=job.cache or job.out / "cache")
    first = _part(job, on_grid=True)
    with_remedy = train(first, progress)
    second = replace(_part(job, on_grid=False), steps=with_remedy.steps, minutes=None)
    without = train(second, progress)
    run, failures = prepare(first, Silent())
    return Audit(_asked(with_remedy, run, on_grid=True), _asked(without, run, on_grid=False), failures)


def _part(job: TrainJob, *, on_grid: bool) -> TrainJob:
    """The run of one of the two networks."""
    config = replace(job.config, negatives_on_grid=on_grid)
    return replace(job, config=config, out=job.out / ("on-grid" if on_grid else "off-grid"))


def _asked(trained: Trained, run: Run, *, on_grid: bool) -> Audited:
    network, _ = load_network(trained.weights)
    if not isinstance(network, Network):
        raise TypeError(f"{trained.weights}: not a network that was trained here")
    network.to(run.device)
    front_end = run.config.front_end
    found = validate(network, run.held_out, front_end, run.device)
    anywhere = held_out(run.val, front_end, on_grid=False).sounds
    other = avc_with_other_cuts(network, run.held_out, anywhere, front_end, run.device)
    return Audited(on_grid, found.avc_accuracy, other, found.ndcg, trained.steps, trained.weights)
