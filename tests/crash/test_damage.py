"""Damage that comes after a commit, as power cuts and bad disks do it: found, never searched, and mended."""

import random
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from avsearch.errors import LibraryError
from avsearch.library import create_library, open_library, verify
from avsearch.moments import Modality
from avsearch.query import nearest_hits
from indexer import ledger
from indexer.build import index
from indexer.index_job import IndexJob
from indexer.repair import RepairJob, repair
from tests.crash.running import assert_same, assert_sound, contents, unheard
from tests.media.clips import tones, write_wav

SEED = 7
NUM_FLIPS = 200


def shorten(data):
    return data[: len(data) // 2]


def forget_all(data):
    return b""


def forget_contents(data):
    """What a file system may leave of a file whose name and size reached the disk, and its blocks did not."""
    return bytes(len(data))


def forget_last_block(data):
    return data[:-512] + bytes(512)


def lengthen(data):
    return data + bytes(4096)


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for colour in ("teal", "coral", "navy"):
        Image.new("RGB", (90, 60), colour).save(folder / f"{colour}.png")
    write_wav(folder / "sound.wav", tones(3))
    return folder


@pytest.fixture(scope="module")
def made(footage, weights, tmp_path_factory):
    """A library of four segments: three of images, one of sounds."""
    directory = tmp_path_factory.mktemp("made") / "library"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "COMMIT_EVERY_S", 0)
        index(IndexJob([footage], directory, model=weights), unheard)
    assert len(list((directory / "segments").iterdir())) == 4
    return directory


@pytest.fixture
def library(made, tmp_path):
    """A copy of it."""
    return open_library(shutil.copytree(made, tmp_path / "library"))


@pytest.fixture(scope="module")
def everything(made):
    return contents(open_library(made))


def derived_files(library):
    """All that is searched: the segments, and structures made of them."""
    return [path for folder in ("segments", "ann") for path in sorted((library.directory / folder).glob("*"))]


def modality_of(library, path):
    return next(it.modality for it in library.catalog.all_segments() if it.name == path.name)


def assert_refused(directory, path, modality, everything):
    """It is named as damaged, and neither it nor its neighbours of that modality are searched; the others are."""
    library = open_library(directory)
    assert [str(problem).startswith(f"{path}: ") for problem in verify(library)] == [True]
    for asked in Modality:
        vector = next(np.float32(vector) for (_, of, _), vector in everything.items() if of == asked)
        if asked is modality:
            with pytest.raises(LibraryError, match=path.name):
                nearest_hits(library, library.view(asked), vector, find=asked, k=1)
        else:
            assert nearest_hits(library, library.view(asked), vector, find=asked, k=1)[0].score > 0.999


@pytest.mark.slow
def test_a_flipped_byte_anywhere_is_found_and_never_searched(library, everything):
    rng = random.Random(SEED)
    files = derived_files(library)
    for _ in range(NUM_FLIPS):
        path = rng.choice(files)
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.randrange(len(flipped))] ^= rng.randrange(1, 256)
        path.write_bytes(flipped)
        assert_refused(library.directory, path, modality_of(library, path), everything)
        path.write_bytes(whole)
    assert verify(library) == []


@pytest.mark.parametrize("harm", [shorten, forget_all, forget_contents, forget_last_block, lengthen])
def test_a_segment_that_a_power_cut_left_in_part_is_found_never_searched_and_made_again(library, everything, harm):
    path = derived_files(library)[0]
    modality = modality_of(library, path)
    path.write_bytes(harm(path.read_bytes()))
    assert_refused(library.directory, path, modality, everything)
    repaired = repair(RepairJob(library.directory), unheard)
    assert (repaired.num_segments, repaired.num_media, repaired.problems) == (1, 1, ())
    assert_same(assert_sound(library.directory, everything), everything)


@pytest.fixture
def logged(footage, weights, tmp_path, monkeypatch):
    """A library as it is while SQLite's log holds all of its commits, because a reader has been there since."""
    directory = create_library(tmp_path / "library").directory
    monkeypatch.setattr(ledger, "COMMIT_EVERY_S", 0)
    reader = sqlite3.connect(directory / "catalog.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM media").fetchall()
    index(IndexJob([footage], directory, model=weights), unheard)
    template = shutil.copytree(directory, tmp_path / "template")
    reader.close()
    monkeypatch.undo()
    return template


@pytest.mark.slow
def test_a_log_of_the_database_that_is_torn_anywhere_leaves_an_earlier_commit(
    logged, footage, weights, everything, tmp_path
):
    """What of its end did not reach the disk was no commit yet."""
    log = (logged / "catalog.sqlite3-wal").read_bytes()
    rng, nums_found = random.Random(SEED), set()
    for number in range(24):
        copy = shutil.copytree(logged, tmp_path / f"{number}")
        end = rng.randrange(len(log))
        torn = rng.choice([b"", bytes(len(log) - end), rng.randbytes(len(log) - end)])
        (copy / "catalog.sqlite3-wal").write_bytes(log[:end] + torn)
        (copy / "catalog.sqlite3-shm").unlink()  # no power cut leaves it
        nums_found.add(len(assert_sound(copy, everything)))
        if number % 4 == 0:
            index(IndexJob([footage], copy, model=weights), unheard)
            assert_same(assert_sound(copy, everything), everything)
    assert len(nums_found) > 2, f"no cut took a commit: {nums_found}"
