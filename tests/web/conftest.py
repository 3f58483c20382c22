import shutil

import numpy as np
import pytest
from PIL import Image

from avsearch.library import open_library
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import ffmpeg, tones, write_wav
from tests.tiny import make_film, tiny_weights
from tests.web.serving import running

XSS = "<img src=x onerror=alert(1)>.wav"


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="session")
def footage(tmp_path_factory):
    """Films, sounds and pictures; some that browsers do not play, one with a hostile name, one that is broken."""
    folder = tmp_path_factory.mktemp("footage")
    for seed, name in enumerate(("one.mp4", "two.mp4")):
        make_film(folder / name, seed=seed, seconds=3)
    make_film(folder / "old.avi", seed=5, seconds=2)
    write_wav(folder / "tones.wav", tones(2.5))
    write_wav(folder / XSS, tones(1.5)[::-1].copy())
    ffmpeg("-i", folder / "tones.wav", folder / "odd.aiff")
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(picture).save(folder / "still.png")
    Image.fromarray(picture[::-1]).save(folder / "still.tiff")
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture(scope="session")
def manifest(footage, tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "clips.csv"
    rows = [f"{footage / 'one.mp4'},drum;brass,train", f"{footage / 'tones.wav'},drum,train"]
    path.write_text("\n".join(["path,labels,split", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def made_library(footage, weights, manifest, tmp_path_factory):
    """A library of the footage; never changed."""
    place = tmp_path_factory.mktemp("made") / "library"
    index(IndexJob([footage], place, model=weights, manifest=manifest), lambda _event: None)
    return place


@pytest.fixture
def own_footage(footage, tmp_path):
    """A copy, for tests that change it."""
    return shutil.copytree(footage, tmp_path / "footage")


@pytest.fixture
def own_library(own_footage, weights, tmp_path):
    """A library of the copy, for tests that change it."""
    place = tmp_path / "library"
    index(IndexJob([own_footage], place, model=weights), lambda _event: None)
    return place


@pytest.fixture(scope="module")
def server(made_library, tmp_path_factory):
    """A server of the library that is never changed."""
    library = tmp_path_factory.mktemp("served") / "library"
    shutil.copytree(made_library, library)  # its socket lies in it
    with running(library, tmp_path_factory.mktemp("cache")) as server:
        yield server


@pytest.fixture(scope="session")
def media_ids(made_library):
    """Names of files -> ids of their media."""
    library = open_library(made_library)
    records = library.catalog.media_records(library.catalog.live_media_ids().tolist())
    return {path.name: media_id for media_id, record in records.items() for path in record.paths}
