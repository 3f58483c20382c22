"""Removing files masks them at once; relinking a root keeps everything."""

import shutil

import numpy as np
import pytest

from avsearch.catalog import State
from avsearch.errors import LibraryError
from avsearch.library import Batch, compact, relink, remove, verify
from avsearch.moments import Modality, Silent
from avsearch.query import nearest_hits
from tests.library.stored import files, moments, segment_files


@pytest.fixture
def filled(library, fill):
    fill("a", "b", "c", labels=("flute",))
    return library


@pytest.fixture
def copied(filled, maker):
    """The content `a` lies in two places."""
    with filled.writer() as writer:
        writer.publish(Batch(files=(maker(writer, 1).file(b"copies/a", 1),)))
    return filled


def found(library):
    """Paths of the hits of a search for everything."""
    view = library.view(Modality.AUDIO)
    query = np.eye(1, 4, dtype=np.float32)[0]
    return {hit.path.name for hit in nearest_hits(library, view, query, find=Modality.AUDIO, k=30)}


def test_a_removed_file_is_not_found_any_more_and_its_vectors_stay_until_compact(filled, footage):
    before = segment_files(filled)
    done = remove(filled, [str(footage / "a")])
    assert (done.num_files, done.num_media) == (1, 1)
    assert found(filled) == {"b", "c"}
    assert segment_files(filled) == before
    compact(filled, Silent())
    assert found(filled) == {"b", "c"}
    assert sum(map(len, segment_files(filled).values())) < sum(map(len, before.values()))
    assert verify(filled) == []


def test_of_two_copies_the_other_one_keeps_the_media_findable(copied, footage):
    before = moments(copied)
    done = remove(copied, [str(footage / "a")])
    assert (done.num_files, done.num_media) == (1, 0)
    assert found(copied) == {"a", "b", "c"}
    assert copied.catalog.media_records([1])[1].paths == (footage / "copies" / "a",)
    assert compact(copied, Silent()).num_media_forgotten == 0
    assert moments(copied) == before
    assert remove(copied, [str(footage / "copies")]).num_media == 1
    assert found(copied) == {"b", "c"}


def test_a_folder_and_a_pattern_name_all_files_that_they_mean(copied, footage):
    assert remove(copied, [str(footage / "copies"), str(footage / "[bc]")]).num_files == 3
    assert found(copied) == {"a"}


def test_a_file_named_twice_is_removed_once_and_one_that_was_removed_is_not_counted_again(filled, footage):
    assert remove(filled, [str(footage / "a"), str(footage / "a*")]).num_files == 1
    done = remove(filled, [str(footage / "a"), str(footage / "b")])
    assert (done.num_files, done.num_media) == (1, 1)


@pytest.mark.parametrize("target", ["elsewhere", "d", "d*"])
def test_a_target_that_names_nothing_is_an_error_and_nothing_is_changed(filled, footage, target):
    before = files(filled)
    with pytest.raises(LibraryError, match=rf"{target}.*knows no such file"):
        remove(filled, [str(footage / "a"), str(footage / target)])
    assert files(filled) == before
    assert found(filled) == {"a", "b", "c"}


def test_failed_and_missing_files_can_be_removed_too(filled, maker, footage):
    with filled.writer() as writer:
        make = maker(writer, 1)
        writer.catalog.set_files(
            [make.file(b"bad", None, State.FAILED, "It is empty."), make.file(b"b", 2, State.MISSING)]
        )
    done = remove(filled, [str(footage)])
    assert (done.num_files, done.num_media) == (4, 2)
    assert {state for _, state, _ in files(filled)} == {State.REMOVED}
    assert filled.catalog.status().failures == {}


def test_a_removed_file_that_comes_back_before_compact_has_its_vectors_again(filled, footage, maker):
    before = moments(filled)
    remove(filled, [str(footage / "a")])
    with filled.writer() as writer:
        again = maker(writer, 1)
        media = again.media("a")
        writer.publish(Batch(media=(media,), rows={}, files=(again.file(b"a", media.id),)))
    assert moments(filled) == before
    assert verify(filled) == []


@pytest.fixture
def moved(filled, footage):
    """The footage lies elsewhere, each file as large as the library knows."""
    for _, _, media_id in files(filled):
        (footage / "abc"[media_id - 1]).write_bytes(bytes(100))
    return footage.rename(footage.with_name("other disk"))


def test_relinking_keeps_media_vectors_labels_and_states(filled, footage, moved):
    remove(filled, [str(footage / "c")])
    before, records = moments(filled), filled.catalog.media_records([1, 2])
    done = relink(filled, footage, moved)
    assert (done.num_files, done.num_there, done.root.path) == (2, 2, moved)
    assert moments(filled) == before
    after = filled.catalog.media_records([1, 2])
    assert [record.paths for record in after.values()] == [(moved / "a",), (moved / "b",)]
    assert [record.labels for record in after.values()] == [record.labels for record in records.values()]
    assert [state for _, state, _ in files(filled)] == [State.INDEXED, State.INDEXED, State.REMOVED]
    assert verify(filled) == []


def test_relinking_counts_what_is_there_with_the_same_size(filled, footage, moved):
    (moved / "a").write_bytes(b"another")
    (moved / "b").unlink()
    done = relink(filled, footage, moved)
    assert (done.num_files, done.num_there) == (3, 1)


def test_relinking_to_a_folder_that_holds_none_of_the_files_is_refused(filled, footage, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong" / "a").mkdir(parents=True)
    for folder in ("empty", "wrong", "missing"):
        with pytest.raises(LibraryError, match=r"none of the 3 files of .*footage is there"):
            relink(filled, footage, tmp_path / folder)
    assert filled.catalog.roots()[0].path == footage


def test_only_a_root_can_be_relinked_and_the_roots_are_named(filled, footage, moved):
    with pytest.raises(LibraryError, match=rf"is no root of this library.*Its roots are: {footage}"):
        relink(filled, footage / "copies", moved)


def test_relinking_into_another_root_is_refused(filled, footage, moved):
    with filled.writer() as writer:
        writer.catalog.add_root(moved)
    with pytest.raises(LibraryError, match="in the way"):
        relink(filled, footage, moved)
    assert {path for path, _, _ in files(filled)} == {footage / name for name in "abc"}


def test_a_root_whose_disk_is_mounted_elsewhere_is_found_by_its_old_path_alone(filled, footage, moved):
    assert not footage.exists()
    relink(filled, footage, moved)
    shutil.rmtree(moved)
    assert found(filled) == {"a", "b", "c"}
