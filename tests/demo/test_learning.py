"""That training learns: on a small demo collection, in all four directions, on clips that it has never seen."""

import json
import time
from dataclasses import replace

import pytest

from avsearch.demo.collection import make_collection
from avsearch.moments import DIRECTIONS, Silent
from tests.cli.command import here
from trainer.config import TrainJob
from trainer.loop import train
from trainer.recipes import recipe

CLIPS_PER_KIND = 20
STEPS = 150
MARGINS = {"image-image": 0.25, "image-audio": 0.10, "audio-image": 0.10, "audio-audio": 0.20}


@pytest.mark.slow
@pytest.mark.timeout(900)  # under two minutes on two idle cores
def test_a_few_steps_on_the_demo_collection_find_kinds_in_all_four_directions(tmp_path):
    manifest = make_collection(tmp_path / "demo", clips_per_kind=CLIPS_PER_KIND, progress=Silent())
    config = replace(recipe("ave-nce", "small"), batch_size=64)
    run = tmp_path / "run"
    job = TrainJob(config=config, paths=[manifest.parent], manifest=manifest, out=run, steps=STEPS, device="cpu")
    began = time.monotonic()
    weights = train(job, Silent()).weights
    print(time.monotonic() - began)  # noqa: T201
    words = ("--manifest", manifest, "--label-column", "kind", "--model", weights, "--report", tmp_path / "report")
    code, _, errors = here("evaluate", *words)
    assert code == 0, errors
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    above = {str(it): told["ndcg@30"][str(it)] - told["chance"][str(it)] for it in DIRECTIONS}
    assert all(above[name] > margin for name, margin in MARGINS.items()), above
    print(above)  # noqa: T201
