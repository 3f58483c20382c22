"""Where a run begins: at step 0, with first weights and a number of steps, or at its last checkpoint."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from statistics import median
from typing import Any

import torch

from avsearch import features
from avsearch.errors import TrainingError
from avsearch.front_end import FrontEnd, parse_front_end
from avsearch.models.network import Network
from avsearch.models.networks import NETWORKS
from avsearch.moments import Progress
from trainer.batches import Batch, training_batches
from trainer.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint, saved_state
from trainer.config import TrainConfig
from trainer.distributed import Ranks
from trainer.membership import Membership, read_membership
from trainer.preparation import Run
from trainer.runlog import command, data_fingerprint
from trainer.step import Learner, learner, update
from trainer.validation import validate

EVALUATIONS = 10
_TIMED_STEPS = 5
_WARM_STEPS = 2
_MEASURED_ROWS = 256


def begin(run: Run, ranks: Ranks, progress: Progress) -> tuple[Run, Learner, dict[str, Any]]:
    """Where to begin: at the last checkpoint, or at step 0 with the first weights and the step count fixed.

    The run comes back as it goes on: with the front end that was measured when it was begun.
    """
    torch.manual_seed(run.job.seed)
    last = checkpoint_path(run.job, "last")
    if run.job.resume and last.exists():
        state = saved_state(last)
        try:
            run, state = _resumed(run, state, progress)
        except TrainingError:
            if state["step"]:
                raise  # else nothing has been learnt yet, and it may as well begin anew
        else:
            one = learner(_network(run), run.config, run.device, ranks=ranks)
            return run, one, load_checkpoint(last, one) | state
    return run, *_begun(run, ranks)


def _begun(run: Run, ranks: Ranks) -> tuple[Learner, dict[str, Any]]:
    """At step 0."""
    network = _network(run)
    _measure_first_batch(run, network)
    trial = copy.deepcopy(network)
    one = learner(network, run.config, run.device, ranks=ranks)
    state = {
        "step": 0,
        "steps": run.job.steps or ranks.agreed(_affordable_steps(run, ranks, trial)),
        "best": None,
        "best_step": 0,
        "seed": run.job.seed,
        "data": data_fingerprint(run.train),
        "config": as_json(run.job.config),
        "front_end": as_json(run.config.front_end),
        "command": command(),
        "resumed": [],
    }
    if ranks.is_first:
        Membership.of(run.train.clips, run.val.clips).write(run.job)
        save_checkpoint(checkpoint_path(run.job, "last"), one, state)
    return one, state


def _network(run: Run) -> Network:
    return NETWORKS[run.config.architecture](run.config.widths).to(run.device)


def _measure_first_batch(run: Run, network: Network) -> None:
    """Let the network measure the first batch, or as much of it as a GPU holds in single precision."""
    few = replace(run.config, batch_size=min(run.config.batch_size, _MEASURED_ROWS))
    first = next(training_batches(run.source, few, seed=run.job.seed, steps=range(1))).to(run.device)
    frames = features.image_tensor(first.frames, run.config.front_end)
    network.start(frames, features.log_spectrogram(first.sounds, run.config.front_end))


def _resumed(run: Run, state: dict[str, Any], progress: Progress) -> tuple[Run, dict[str, Any]]:
    """Go on to the steps asked for, else to those of the first call, on the same media by the same recipe.

    Some of the media may be missing: what made a loss no number can be taken out.
    """
    job = run.job
    if not state.keys() >= {"config", "seed", "data", "front_end", "command", "resumed"}:
        raise TrainingError(
            f"{job.out}: this run was begun by an older avsearch.", hint="Train into another folder with --out."
        )
    if state["config"] != as_json(job.config):
        raise TrainingError(
            f"{job.out}: this run was begun with another recipe or other settings.",
            hint="Give the same ones to resume it (run.json has them), or train into another folder with --out.",
        )
    if state["seed"] != job.seed:
        raise TrainingError(
            f"{job.out}: this run was begun with seed {state['seed']}.",
            hint=f"Give --seed {state['seed']} to resume it, or train into another folder with --out.",
        )
    missing = _num_missing(run, state)
    steps = max(job.steps or state["steps"], state["step"])
    progress.say(f"After step {state['step']} the run in {job.out} goes on to its {steps} steps.")
    if missing:
        progress.say(f"It goes on without {missing} of the media that it was begun with.")
    config = replace(run.config, front_end=parse_front_end(state["front_end"]))
    this = {"step": state["step"], "command": command(), "media_missing": missing}
    more = {"steps": steps, "data": data_fingerprint(run.train), "resumed": [*state["resumed"], this]}
    return replace(run, config=config), state | more


def _num_missing(run: Run, state: dict[str, Any]) -> int:
    """How many training media are there no more, so many that a fingerprint was taken of last."""
    if state["data"] == data_fingerprint(run.train):
        return 0
    before, now = read_membership(run.job), Membership.of(run.train.clips, run.val.clips)
    if before is None or not now.train <= before.train:
        raise TrainingError(
            f"{run.job.out}: this run was begun with other media or another split of them.",
            hint="Name the same ones to resume it, or some of them, or train into another folder with --out.",
        )
    return len(before.train - now.train)


def _affordable_steps(run: Run, ranks: Ranks, network: Network) -> int:
    """How many steps fit into the minutes, timed on a copy so that nothing is learnt yet."""
    trial = learner(network, run.config, run.device, ranks=ranks)
    ends = [time.monotonic()]
    for batch in rank_batches(run, ranks, range(_WARM_STEPS + _TIMED_STEPS)):
        update(trial, batch, run.config, run.device, learning_rate=0.0)
        ends.append(time.monotonic())  # waiting for the batch included
    times = [end - begin for begin, end in pairwise(ends)]
    began = time.monotonic()
    validate(trial.network, run.held_out, run.config.front_end, run.device)
    validation_s = time.monotonic() - began
    budget_s = (run.job.minutes or 0) * 60 - EVALUATIONS * validation_s - sum(times)
    return max(int(budget_s / median(times[_WARM_STEPS:])), EVALUATIONS)


def rank_batches(run: Run, ranks: Ranks, steps: range) -> Iterator[Batch]:
    """This rank's rows of the batches of the given steps."""
    return training_batches(
        run.source, run.config, seed=run.job.seed, steps=steps, rank=ranks.rank, world=ranks.world
    )


def as_json(settings: TrainConfig | FrontEnd) -> dict[str, Any]:
    """As JSON gives them back."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return fields
