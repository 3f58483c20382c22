"""What a training run tells and leaves, for tests to look at."""

import json

from avsearch.moments import Silent


class Interrupted(Exception):  # noqa: N818  (nothing went wrong)
    """Stands for the key or the power cut that ends a run."""


class Recorder(Silent):
    """Writes down what a job tells; raises `Interrupted` instead of the given training step."""

    def __init__(self, stop_at=None):
        self.told, self.notes, self.said, self.stop_at, self.steps = [], [], [], stop_at, 0

    def say(self, sentence):
        self.said.append(sentence)

    def stage(self, name, total, unit):
        self.told.append((name, total, unit))

    def advance(self, amount=1, note=""):
        if self.told[-1][0] == "train":
            self.steps += amount
            self.notes.append(note)
            if self.steps == self.stop_at:
                raise Interrupted


def losses(out):
    """The loss of each step in a run folder's log."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}
