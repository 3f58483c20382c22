"""A checkpoint: network, objective and optimizer after some step, as one safetensors file; no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from avsearch.errors import LibraryError, TrainingError
from avsearch.vectors.durable import write_durably
from trainer.config import TrainJob
from trainer.step import Learner

_DAMAGED = "cannot be resumed from; it is damaged or belongs to another network"
_ANEW = "Train into another folder with --out."


def save_checkpoint(path: Path, learner: Learner, state: Mapping[str, Any]) -> None:
    """Write aside, fsync, rename, fsync the folder. `state` is small JSON: the next step and what was reached.

    Raises:
        TrainingError: it cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in _tensors(learner)}
    metadata = {"state": json.dumps(state), "checksum": _checksum(tensors)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, [save(tensors, metadata=metadata)])
    except (LibraryError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message.removeprefix(f"{path}: ")
        raise TrainingError(
            f"{path}: the checkpoint cannot be written: {reason}", hint="Free some space, then go on with --resume."
        ) from error


def saved_state(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its run, without its tensors.

    Raises:
        TrainingError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads(file.metadata()["state"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: {_DAMAGED}.", hint=_ANEW) from error
    return state


def checkpoint_path(job: TrainJob, name: str) -> Path:
    """`last` or `best`."""
    return job.out / "checkpoints" / f"{name}.safetensors"


def has_begun(job: TrainJob) -> bool:
    """Whether the folder of a run holds more than first weights; what is damaged may."""
    last = checkpoint_path(job, "last")
    try:
        return last.exists() and saved_state(last)["step"] > 0
    except (TrainingError, KeyError):
        return True


def load_checkpoint(path: Path, learner: Learner) -> dict[str, Any]:
    """Put a checkpoint's tensors into `learner` and return its state.

    Raises:
        TrainingError: the checkpoint is damaged or belongs to another network.
    """
    state = saved_state(path)
    try:
        with safe_open(path, framework="pt") as file:
            checksum = file.metadata()["checksum"]
        saved = load_file(path)
        if checksum != _checksum(saved):
            raise ValueError("the checksum is another")
        learner.network.load_state_dict(_part(saved, "network."))
        learner.objective.load_state_dict(_part(saved, "objective."))
        _load_optimizer(learner.optimizer, _part(saved, "optimizer."))
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise TrainingError(f"{path}: {_DAMAGED}.", hint=_ANEW) from error
    return state


def _tensors(learner: Learner) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in learner.network.state_dict().items():
        yield f"network.{name}", tensor
    for name, tensor in learner.objective.state_dict().items():
        yield f"objective.{name}", tensor
    for index, values in learner.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            yield f"optimizer.{index}.{name}", torch.as_tensor(value)


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in saved.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _part(saved: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in saved.items() if name.startswith(prefix)}
