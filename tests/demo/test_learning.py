"""Learning itself: each recipe on the demo collection, for some minutes. Chance is that of the same items."""

import json

import pytest

from avsearch.demo.collection import make_collection
from avsearch.moments import Silent
from tests.cli.command import avsearch

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(3600)]

STEPS = 250
CROSS_MODAL = ("image-audio", "audio-image")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    make_collection(folder, clips_per_kind=45, progress=Silent())
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    ("recipe", "searches"), [("ave-nce", True), ("ave-views", True), ("ave", True), ("l3", False)]
)
def test_a_recipe_learns_from_the_demo_collection_what_belongs_together(
    collection, cache, tmp_path, recipe, searches
):
    """L3-Net tells true pairs from false and finds nothing across: its sides are never compared in training."""
    manifest = ("--manifest", collection / "manifest.csv")
    length = ("--steps", STEPS, "--cache", cache)
    code, _, errors = avsearch(
        "train", collection, *manifest, "--recipe", recipe, *length, "--out", tmp_path / "run"
    )
    assert code == 0, errors
    accuracy = json.loads((tmp_path / "run" / "run.json").read_text())["validation"]["avc_accuracy"]
    assert accuracy > 0.65
    model = ("--model", tmp_path / "run" / "encoder.safetensors")
    code, _, errors = avsearch("evaluate", *manifest, *model, "--report", tmp_path / "report")
    assert code == 0, errors
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    above = {it: report["ndcg@30"][it] - report["chance"][it] for it in report["chance"]}
    assert min(above["image-image"], above["audio-audio"]) > 0.1, above
    assert not searches or min(above[it] for it in CROSS_MODAL) > 0.1, above
