import shutil

import pytest

from indexer.build import index
from indexer.index_job import IndexJob
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A folder of four films of two seconds: at the top one, below it two of one folder and one of another."""
    folder = tmp_path_factory.mktemp("films")
    for seed, name in enumerate(("top.mp4", "a/one.mp4", "a/two.mp4", "b/three.mp4")):
        (folder / name).parent.mkdir(exist_ok=True)
        make_film(folder / name, seed=seed, seconds=2)
    return folder


@pytest.fixture(scope="session")
def made_library(films, weights, tmp_path_factory):
    """A library of the films; never changed."""
    place = tmp_path_factory.mktemp("made") / "library"
    index(IndexJob([films], place, model=weights), print)
    return place


@pytest.fixture
def own_library(made_library, tmp_path):
    """A copy of it, for tests that change it."""
    return shutil.copytree(made_library, tmp_path / "library")
