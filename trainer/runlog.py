"""What a run leaves to read: a log line a step, the loss curve, where the weights come from."""

from __future__ import annotations

import json
import platform
import shutil
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

from trainer.board import Board
from trainer.dataset import Clips
from trainer.validation import Validation


@dataclass(frozen=True)
class RunLog:
    """What a run tells while it goes on.

    `log.jsonl` has a line with step, loss and learning_rate a step, and one with the figures of each validation;
    the folder `tensorboard` has the same for TensorBoard.
    """

    path: Path
    board: Board

    @classmethod
    def open(cls, out: Path, *, step: int) -> RunLog:
        """The log of a run folder that goes on after `step` steps; what was told of later ones is forgotten."""
        path = out / "log.jsonl"
        if step == 0:
            shutil.rmtree(out / "tensorboard", ignore_errors=True)
        kept = [line for line in _lines(path) if line["step"] <= step] if step else []
        replace_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        return cls(path, Board.open(out / "tensorboard", first_step=step + 1))

    def add_step(self, step: int, loss: float, learning_rate: float) -> None:
        """`step` counts from 0."""
        self._add(step + 1, {"loss": round(loss, 6), "learning_rate": learning_rate}, "training")

    def add_validation(self, step: int, validation: Validation) -> None:
        """After `step` steps."""
        self._add(step, asdict(validation), "validation")

    def close(self) -> None:
        """Write out what TensorBoard has not got yet."""
        self.board.close()

    def draw_curve(self) -> Path:
        """Draw loss and validation over the steps as `curve.png`."""
        from matplotlib.figure import Figure  # noqa: PLC0415  (half a second that no other command needs)

        lines = list(_lines(self.path))
        steps, losses = _columns(lines, "loss")
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="training loss")
        axes.plot(steps, losses, color="0.8", linewidth=0.8)
        axes.plot(steps, _smoothed(losses), color="C0", label="training loss")
        right = axes.twinx()
        right.set(ylabel="validation", ylim=(0.0, 1.0))
        right.plot(*_columns(lines, "avc_accuracy"), "C1o-", label="AVC accuracy")
        right.plot(*_columns(lines, "nearer"), "C2s-", label="true pair nearer than a false one")
        right.plot(*_columns(lines, "ndcg"), "C3^-", label="nDCG@30 by pair")
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        curve = self.path.with_name("curve.png")
        figure.savefig(curve, dpi=120)
        return curve

    def _add(self, step: int, figures: dict[str, float], group: str) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step} | figures) + "\n")
        self.board.add(step, {f"{group}/{name}": value for name, value in figures.items()})


def write_run(out: Path, about: dict[str, Any]) -> None:
    """`run.json`: everything that made a run what it is, and what it reached, in one file; written aside first."""
    replace_text(out / "run.json", json.dumps(about, indent=2) + "\n")


def provenance(train: Clips, *, seed: int) -> dict[str, Any]:
    """Where weights come from: command, versions, seed, and a fingerprint of the training media."""
    return {
        "command": command(),
        "avsearch": version("avsearch"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seed": seed,
        "training_media": train.num_media,
        "training_clips": len(train.clips),
        "data_fingerprint": data_fingerprint(train),
    }


def command() -> list[str]:
    """What was typed, without the folder of the program; `python -m avsearch` is `avsearch`."""
    program = Path(sys.argv[0])
    return [program.parent.name if program.name == "__main__.py" else program.name, *sys.argv[1:]]


def data_fingerprint(train: Clips) -> str:
    """xxh3-128 over the content hashes of the training media, in their order."""
    hashes = sorted({clip.content_hash for clip in train.clips})
    return xxhash.xxh3_128("".join(hashes).encode()).hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write aside, then rename: what was there stays there where the disk is full."""
    aside = path.with_name(f"{path.name}.part")
    try:
        aside.write_text(text)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """All lines of a log; one that a killed run left unfinished is no line."""
    for line in path.read_text().splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def _columns(lines: Iterable[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    chosen = {line["step"]: line[name] for line in lines if name in line}  # a resumed run repeats some steps
    return list(chosen), list(chosen.values())


def _smoothed(values: list[float]) -> np.ndarray:
    """The mean over the twentieth part of the curve around each point."""
    width = max(len(values) // 20, 1)
    padded = np.pad(np.array(values, float), (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")
