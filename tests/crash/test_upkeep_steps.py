"""Commands that change a library which is there, and that die at any of their steps."""

import shutil

import pytest

from avsearch.errors import LibraryError
from avsearch.library import open_library, orphans, verify
from indexer.build import index
from indexer.index_job import IndexJob
from indexer.reembed import ReembedJob, reembed
from indexer.repair import RepairJob, repair
from tests.crash.dying import killed_copies
from tests.crash.running import assert_part, assert_same, assert_sound, contents, unheard


@pytest.fixture(scope="module")
def footage(few, tmp_path_factory):
    """The few files, and one that is to be removed."""
    folder = shutil.copytree(few, tmp_path_factory.mktemp("footage") / "in")
    (folder / "words.mp4").unlink()
    shutil.copy(folder / "film.mp4", folder / "doomed.mp4")
    with (folder / "doomed.mp4").open("ab") as file:
        file.write(b"\0\0\0\x08free")  # which makes it another content
    return folder


@pytest.fixture(scope="module")
def library(nursery, footage, weights, tmp_path_factory):
    """A library with a segment for each media and modality."""
    directory = tmp_path_factory.mktemp("template") / "library"
    words = ["index", footage, "--library", directory, "--model", weights, "--workers", 1]
    code, printed = nursery.run(*words, commit_every_s=0)
    assert code == 0, printed
    assert len(open_library(directory).catalog.all_segments()) == 5
    return directory


@pytest.fixture(scope="module")
def everything(library):
    return contents(open_library(library))


@pytest.fixture(scope="module")
def without_doomed(nursery, library, footage, tmp_path_factory):
    """The library with one file removed from it, and what is found in it then."""
    directory = shutil.copytree(library, tmp_path_factory.mktemp("without") / "library")
    nursery.complete("library", "remove", footage / "doomed.mp4", "--library", directory)
    return directory, contents(open_library(directory))


@pytest.mark.slow
def test_a_removal_that_dies_at_any_step_has_removed_everything_named_or_nothing(
    nursery, library, footage, everything, without_doomed, tmp_path
):
    words = ["library", "remove", footage / "doomed.mp4"]
    _, rest = without_doomed
    assert 0 < len(rest) < len(everything)
    for copy in killed_copies(nursery, words, library, tmp_path):
        found = assert_sound(copy, everything)
        assert found.keys() in (everything.keys(), rest.keys())
        nursery.complete(*words, "--library", copy)
        assert_same(contents(open_library(copy)), rest)


@pytest.mark.slow
def test_a_compaction_that_dies_at_any_step_loses_nothing_and_can_be_repeated(nursery, without_doomed, tmp_path):
    template, rest = without_doomed
    nums_segments = set()
    for copy in killed_copies(nursery, ["library", "compact"], template, tmp_path):
        assert_same(assert_sound(copy, rest), rest)
        nums_segments.add(len(open_library(copy).catalog.all_segments()))
        nursery.complete("library", "compact", "--library", copy)
        compacted = open_library(copy)
        assert_same(contents(compacted), rest)
        assert verify(compacted) == []
        assert len(compacted.catalog.all_segments()) == 2
        assert compacted.catalog.status().dead_moments == 0
    assert len(nums_segments) > 2, "everything was in one commit"


@pytest.mark.slow
def test_a_relink_that_dies_at_any_step_has_moved_the_root_or_not(nursery, library, footage, everything, tmp_path):
    moved = shutil.copytree(footage, tmp_path / "moved")
    words = ["library", "relink", footage, moved]
    for copy in killed_copies(nursery, words, library, tmp_path):
        assert_same(assert_sound(copy, everything), everything)
        [root] = open_library(copy).catalog.roots()
        assert root.path in (footage, moved)
        if root.path == footage:
            nursery.complete(*words, "--library", copy)
        again = index(IndexJob([moved], copy), unheard)
        assert (again.num_indexed, again.num_unchanged) == (0, 4)


@pytest.mark.slow
def test_a_reembedding_that_dies_at_any_step_answers_with_the_old_vectors_or_with_all_the_new_ones(
    nursery, library, footage, everything, other_weights, undisturbed, tmp_path
):
    new = undisturbed(footage, model=other_weights)
    words = ["library", "reembed", "--model", other_weights, "--workers", 1]
    done_before = set()
    for copy in killed_copies(nursery, words, library, tmp_path):
        status = open_library(copy).catalog.status()
        if status.encoder.fingerprint == open_library(library).catalog.active_encoder().fingerprint:
            assert_same(assert_sound(copy, everything), everything)
            done_before.add(status.num_pending_done)
            assert reembed(ReembedJob(copy, other_weights), unheard).is_switched
        assert_same(assert_sound(copy, new), new)
    assert len(done_before) > 2, "there was only one commit"


@pytest.mark.slow
def test_a_repair_that_dies_at_any_step_makes_nothing_worse_and_can_be_repeated(
    nursery, library, everything, tmp_path
):
    """One segment has a flipped byte, another one is gone."""
    template = shutil.copytree(library, tmp_path / "template")
    flipped, gone = sorted((template / "segments").iterdir())[:2]
    gone.unlink()
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    for copy in killed_copies(nursery, ["library", "repair", "--workers", 1], template, tmp_path):
        damaged = open_library(copy)
        assert all("run `avsearch library repair`" in str(problem) for problem in verify(damaged))
        if {flipped.name, gone.name} & {record.name for record in damaged.catalog.all_segments()}:
            with pytest.raises(LibraryError, match=f"{flipped.name}|{gone.name}"):
                contents(damaged)
        else:
            assert_part(contents(damaged), everything)
        with damaged.writer():
            assert orphans(damaged) == []
        assert repair(RepairJob(copy), unheard).problems == ()
        assert_same(assert_sound(copy, everything), everything)
