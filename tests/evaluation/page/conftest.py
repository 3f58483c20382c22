"""Evaluations for pages: classes that lie apart in the space, of files that need not exist."""

from pathlib import Path

import numpy as np
import pytest

from avsearch.evaluation.items import EvaluationSettings, Items, ItemVectors, Protocol
from avsearch.evaluation.problems import Problem, ProblemKind
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Report, Run, group_runs
from avsearch.moments import Modality

NAMED = Protocol("paper", "Protocol: paper. As a test says.", "f" * 32, "ave", "ave-nce", "small", seed=0)
MISSING = Problem(ProblemKind.MISSING, tuple(f"gone/{number}.mp4" for number in range(25)))


@pytest.fixture
def items_of():
    """Items of chosen labels with vectors around one direction a label, `per_item` moments 1 s apart each."""

    def make(labels, *, noise=0.5, seed=0, per_item=1, paths=None, names=None, modalities=tuple(Modality), k=10):
        rng = np.random.default_rng(seed)
        kinds = sorted(set(labels))
        item = np.repeat(np.arange(len(labels)), per_item)
        centre = np.eye(len(kinds), 8)[[kinds.index(labels[it]) for it in item]]
        start_us = np.tile(np.arange(per_item) * 1_000_000, len(labels))
        vectors = {}
        for modality in modalities:
            vector = centre + noise * rng.standard_normal(centre.shape)
            unit = (vector / np.linalg.norm(vector, axis=1, keepdims=True)).astype(np.float32)
            vectors[modality] = ItemVectors(unit, item, start_us)
        names = names or tuple(f"clips/{number}.mp4" for number in range(len(labels)))
        return Items(
            names=tuple(names),
            paths=tuple(paths or (Path("/nowhere/at/all") / name for name in names)),
            labels=tuple(frozenset([label]) for label in labels),
            groups=(frozenset(),) * len(labels),
            vectors=vectors,
            settings=EvaluationSettings(Path("/nowhere/at/all/clips.csv"), k=k),
            protocol=NAMED,
            problems=(MISSING,),
        )

    return make


@pytest.fixture
def evaluation_of(items_of):
    """An evaluation of such items."""
    return lambda labels, **how: evaluate(items_of(labels, **how))


@pytest.fixture
def report_of():
    """A report of evaluations, each a run of the one recipe."""

    def make(*evaluations, **more):
        runs = [Run(f"run-{number}", evaluation) for number, evaluation in enumerate(evaluations)]
        return Report(more.pop("systems", None) or group_runs(runs), created="2026-11-27", **more)

    return make
