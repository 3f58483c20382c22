"""What a run leaves to read: a log line a step, the loss curve, where the weights come from."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

from trainer.dataset import Clips
from trainer.validation import Validation


@dataclass(frozen=True)
class RunLog:
    """`log.jsonl`: a line with step, loss and learning_rate a step, one with the figures of each validation."""

    path: Path

    @classmethod
    def open(cls, out: Path, *, resume: bool) -> RunLog:
        """The log of a run folder; emptied unless the run is resumed."""
        log = cls(out / "log.jsonl")
        text = log.path.read_text() if resume and log.path.exists() else ""
        log.path.write_text(text if text.endswith("\n") or not text else text + "\n")  # a kill can cut a line
        return log

    def add_step(self, step: int, loss: float, learning_rate: float) -> None:
        self._add({"step": step + 1, "loss": round(loss, 6), "learning_rate": learning_rate})

    def add_validation(self, step: int, validation: Validation) -> None:
        self._add({"step": step, **asdict(validation)})

    def draw_curve(self) -> Path:
        """Draw loss and validation over the steps as `curve.png`."""
        from matplotlib.figure import Figure  # noqa: PLC0415  (half a second that no other command needs)

        lines = list(self._lines())
        steps, losses = _columns(lines, "loss")
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="training loss")
        axes.plot(steps, losses, color="0.8", linewidth=0.8)
        axes.plot(steps, _smoothed(losses), color="C0", label="training loss")
        right = axes.twinx()
        right.set(ylabel="validation", ylim=(0.45, 1.0))
        right.plot(*_columns(lines, "avc_accuracy"), "C1o-", label="AVC accuracy")
        right.plot(*_columns(lines, "nearer"), "C2s-", label="true pair nearer than a false one")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        curve = self.path.with_name("curve.png")
        figure.savefig(curve, dpi=120)
        return curve

    def _lines(self) -> Iterator[dict[str, Any]]:
        """All lines; one that a killed run left unfinished is no line."""
        for line in self.path.read_text().splitlines():
            with suppress(json.JSONDecodeError):
                yield json.loads(line)

    def _add(self, fields: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(fields) + "\n")


def provenance(train: Clips, *, seed: int) -> dict[str, Any]:
    """Where weights come from: command, versions, seed, and a fingerprint of the training media."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "avsearch": version("avsearch"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seed": seed,
        "training_media": train.num_media,
        "training_clips": len(train.clips),
        "data_fingerprint": data_fingerprint(train),
    }


def data_fingerprint(train: Clips) -> str:
    """xxh3-128 over the content hashes of the training media, in their order."""
    hashes = sorted({clip.content_hash for clip in train.clips})
    return xxhash.xxh3_128("".join(hashes).encode()).hexdigest()


def _columns(lines: Iterable[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    chosen = {line["step"]: line[name] for line in lines if name in line}  # a resumed run repeats some steps
    return list(chosen), list(chosen.values())


def _smoothed(values: list[float]) -> np.ndarray:
    """The mean over the twentieth part of the curve around each point."""
    width = max(len(values) // 20, 1)
    padded = np.pad(np.array(values, float), (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")
