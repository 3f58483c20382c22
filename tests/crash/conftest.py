"""Footage that is made once, and what a run over it that nobody disturbs comes to."""

import os
from contextlib import ExitStack

import pytest
from PIL import Image

from avsearch.library import open_library
from indexer.build import index
from indexer.index_job import IndexJob
from tests.crash.running import contents, open_nursery, started, unheard
from tests.tiny import make_film, tiny_weights

NUM_CLIPS = 30


@pytest.fixture(scope="session")
def num_kills():
    """As many random kills as the tests do: 10, or what AVSEARCH_KILLS says."""
    return int(os.environ.get("AVSEARCH_KILLS", "10"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "other.safetensors", seed=1)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Thirty films of which no two are alike."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(NUM_CLIPS):
        make_film(folder / f"{seed:02}.mp4", seed=seed, seconds=1 + seed % 3)
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """What is read in no time: a film, a picture, a copy of it, and a file that cannot be read."""
    folder = tmp_path_factory.mktemp("few")
    Image.new("RGB", (90, 60), "teal").save(folder / "teal.png")
    make_film(folder / "film.mp4", seconds=1)
    (folder / "copy.png").write_bytes((folder / "teal.png").read_bytes())
    (folder / "words.mp4").write_text("only words\n" * 50)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, weights):
    """Index a folder as it should go: the contents of the library."""

    def run(folder, *, model=weights):
        directory = tmp_path_factory.mktemp("undisturbed") / "library"
        index(IndexJob([folder], directory, model=model), unheard)
        return contents(open_library(directory))

    return run


@pytest.fixture(scope="session")
def all_of_few(undisturbed, few):
    return undisturbed(few)


@pytest.fixture(scope="session")
def all_of_clips(undisturbed, clips):
    found = undisturbed(clips)
    assert len({content_hash for content_hash, _, _ in found}) == NUM_CLIPS
    return found


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    with open_nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def start():
    """Start a command; what still runs at the end of the test is killed."""
    with ExitStack() as processes:

        def start_one(*words, **options):
            process = processes.enter_context(started(*words, **options))
            processes.callback(process.kill)
            return process

        yield start_one
