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

from avsearch.errors import TrainingError
from trainer.step import Learner


def save_checkpoint(path: Path, learner: Learner, state: Mapping[str, Any]) -> None:
    """Write aside, then rename. `state` is small JSON: the next step and what the run has reached."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in _tensors(learner)}
    metadata = {"state": json.dumps(state), "checksum": _checksum(tensors)}
    try:
        aside.write_bytes(save(tensors, metadata=metadata))
        aside.replace(path)
    except OSError as error:
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error.strerror}).",
            hint="Free some space, then go on with --resume.",
        ) from error


def load_checkpoint(path: Path, learner: Learner) -> dict[str, Any]:
    """Put a checkpoint's tensors into `learner` and return its state.

    Raises:
        TrainingError: the checkpoint is damaged or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        state: dict[str, Any] = json.loads(metadata["state"])
        saved = load_file(path)
        if metadata["checksum"] != _checksum(saved):
            raise ValueError("the checksum is another")
        learner.network.load_state_dict(_part(saved, "network."))
        learner.objective.load_state_dict(_part(saved, "objective."))
        _load_optimizer(learner.optimizer, _part(saved, "optimizer."))
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{path}: cannot be resumed from; it is damaged or belongs to another network.",
            hint="Train into another folder with --out.",
        ) from error
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
