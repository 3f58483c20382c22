"""An `avsearch index` that dies at any of its steps, from making the library to the last commit."""

import os
import shutil

import pytest
from PIL import Image

from avsearch.catalog import State
from avsearch.library import open_library
from indexer.build import index
from indexer.index_job import IndexJob
from tests.crash.dying import killed_copies
from tests.crash.running import assert_same, assert_sound, contents, is_made, unheard

SOME_FAILED = 3


@pytest.mark.slow
def test_an_index_run_that_dies_at_any_step_leaves_a_sound_library_and_can_be_repeated(
    nursery, few, weights, all_of_few, tmp_path
):
    words = ["index", few, "--model", weights, "--workers", 1]
    num_found = []
    for library in killed_copies(nursery, words, None, tmp_path, code=SOME_FAILED):
        if is_made(library):
            num_found.append(len(assert_sound(library, all_of_few)))
        index(IndexJob([few], library, model=weights), unheard)
        assert_same(contents(open_library(library)), all_of_few)
    assert num_found == sorted(num_found)
    assert (num_found[0], num_found[-1]) == (0, len(all_of_few))
    assert len(set(num_found)) > 2, "there was only one commit"


@pytest.mark.slow
def test_an_index_run_over_changed_files_that_dies_at_any_step_loses_nothing_that_is_still_there(
    nursery, few, weights, all_of_few, undisturbed, tmp_path
):
    """A film was moved, a picture changed, its copy deleted."""
    footage, template = shutil.copytree(few, tmp_path / "in"), tmp_path / "template"
    index(IndexJob([footage], template, model=weights), unheard)
    (footage / "film.mp4").rename(footage / "moved.mp4")
    (footage / "copy.png").unlink()
    Image.new("RGB", (90, 60), "coral").save(footage / "teal.png")
    now = undisturbed(footage)
    kept = now.keys() & all_of_few.keys()
    assert len(kept) == 2
    words = ["index", footage, "--workers", 1]
    for library in killed_copies(nursery, words, template, tmp_path, code=SOME_FAILED):
        assert assert_sound(library, all_of_few | now).keys() >= kept
        index(IndexJob([footage], library), unheard)
        assert_same(contents(open_library(library)), now)
        states = {os.fsdecode(path): it.state for path, it in open_library(library).catalog.files_of(1).items()}
        assert states == {
            "film.mp4": State.MISSING,
            "moved.mp4": State.INDEXED,
            "copy.png": State.MISSING,
            "teal.png": State.INDEXED,
            "words.mp4": State.FAILED,
        }
