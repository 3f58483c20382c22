"""A new encoder takes over while some of the media cannot be read."""

import os

import pytest

from avsearch.errors import LibraryError
from avsearch.library import open_library, verify
from indexer.reembed import ReembedJob, reembed
from tests.indexer.known import NOBODY, by_file, copy_of, lowest_cosine, make_place, moments, run_index
from tests.tiny import make_film


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Footage, a library of it with the encoder `old`, and the weights of others."""
    return make_place(tmp_path_factory.mktemp("known"), "old", "new", "third")


@pytest.fixture
def new(place):
    return place / "new.safetensors"


@pytest.fixture
def library(place, tmp_path):
    return copy_of(place / "library", place / "footage", tmp_path)


@pytest.fixture
def footage(library):
    return library.parent / "footage"


def active(directory):
    return open_library(directory).catalog.active_encoder()


def run(directory, weights, **options):
    return reembed(ReembedJob(directory, weights, **options), NOBODY)


def test_nothing_is_switched_while_a_file_is_away_and_the_same_command_goes_on(library, new, footage, tmp_path):
    before = moments(library)
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    result = run(library, new)
    assert (result.is_switched, result.num_done, result.num_live) == (False, 5, 6)
    ((failed),) = result.unreadable
    assert failed.path == footage / "one.mp4"
    assert "is not there" in failed.reason
    assert active(library) == result.old
    assert moments(library).keys() == before.keys()
    (tmp_path / "away.mp4").rename(footage / "one.mp4")
    result = run(library, new)
    assert (result.is_switched, result.num_media) == (True, 1)
    assert moments(library).keys() == before.keys()


def test_a_file_that_has_changed_is_to_be_indexed_first(library, new, footage):
    make_film(footage / "one.mp4", seed=9)
    result = run(library, new)
    assert [(it.path.name, it.reason) for it in result.unreadable] == [
        ("one.mp4", "has changed since it was indexed; index it first.")
    ]
    run_index(library, footage)
    assert run(library, new).is_switched


def test_a_file_that_cannot_be_decoded_any_more_is_listed_with_the_reason(library, new, footage):
    state = (footage / "one.mp4").stat()
    (footage / "one.mp4").write_bytes(b"\0" * state.st_size)
    os.utime(footage / "one.mp4", ns=(state.st_atime_ns, state.st_mtime_ns))
    result = run(library, new)
    assert not result.is_switched
    assert [it.path.name for it in result.unreadable] == ["one.mp4"]


def test_a_copy_stands_in_for_a_file_that_is_away(library, new, footage, tmp_path):
    (footage / "copy.mp4").write_bytes((footage / "one.mp4").read_bytes())
    run_index(library, footage)
    (footage / "one.mp4").unlink()
    assert run(library, new).is_switched


@pytest.mark.slow
def test_what_was_skipped_is_read_by_the_next_index_at_the_same_moments(library, new, footage, tmp_path, place):
    run_index(library, footage / "deep")
    before = moments(library)
    (footage / "long.mp4").rename(tmp_path / "away.mp4")
    result = run(library, new, skip_unreadable=True)
    assert (result.is_switched, len(result.unreadable)) == (True, 1)
    lost = {moment for moment in before if moment not in moments(library)}
    assert len({moment.media_id for moment in lost}) == 1
    (tmp_path / "away.mp4").rename(footage / "long.mp4")
    indexed = run_index(library, footage, gap_us=10_000_000)  # which is not what it was indexed with
    assert (indexed.num_indexed, indexed.num_unchanged) == (1, 5)
    assert moments(library).keys() == before.keys()
    run_index(tmp_path / "fresh", footage, model=new)
    assert lowest_cosine(by_file(library), by_file(tmp_path / "fresh")) > 0.9999
    assert verify(open_library(library)) == []
    assert run_index(library, footage).num_unchanged == 6


def test_what_the_active_encoder_never_dealt_with_is_planned_anew(library, new, footage, tmp_path, place):
    before = moments(library)
    (footage / "long.mp4").rename(tmp_path / "away.mp4")
    run(library, new, skip_unreadable=True)
    (tmp_path / "away.mp4").rename(footage / "long.mp4")
    result = run(library, place / "third.safetensors")
    assert result.is_switched
    assert moments(library).keys() == before.keys()


def test_an_encoder_that_would_find_nothing_does_not_take_over(library, new, footage, tmp_path):
    footage.rename(tmp_path / "away")
    with pytest.raises(LibraryError, match="None of the 6 media can be read"):
        run(library, new, skip_unreadable=True)
    assert active(library).fingerprint != new.name
