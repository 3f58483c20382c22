import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from avsearch import media
from avsearch.catalog import Snapshot
from avsearch.errors import LibraryError
from avsearch.library import View, create_library, open_library, verify
from avsearch.moments import Modality
from avsearch.vectors import Rows
from indexer.deep import draw, verify_deep
from indexer.ingest import read_again
from tests.indexer.known import NOBODY, copy_of, make_footage, moments, run_index, segments_of
from tests.tiny import FRONT_END, tiny_weights


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    run_index(
        folder / "library", make_footage(folder / "footage"), model=tiny_weights(folder / "encoder.safetensors")
    )
    return folder


@pytest.fixture
def library(place, tmp_path):
    return copy_of(place / "library", place / "footage", tmp_path)


@pytest.fixture
def footage(library):
    return library.parent / "footage"


def check(directory, stop=None, **options):
    return verify_deep(open_library(directory), tell=NOBODY, stop=stop, **options)


def forge(directory, modality, wrong):
    """Give a segment other vectors, through the front door: everything about it is consistent."""
    library = open_library(directory)
    active = library.catalog.active_encoder()
    ((_, record),) = (it for it in segments_of(directory) if it[1].modality is modality)
    ((rows,),) = library.view(modality).segments.values()
    with library.writer() as writer:
        writer.drop_segments([record])
        media_ids = np.unique(rows.media_id).tolist()
        writer.publish_rows(active, {modality: replace(rows, vector=wrong(rows))}, media_ids=media_ids)


def test_a_library_that_is_right_has_no_problems(library):
    found = check(library)
    assert (found.problems, found.away, found.stopped) == ((), (), False)
    assert found.num_checked == len(moments(library))
    assert check(library, num_moments=5).num_checked == 5


def test_a_vector_that_is_not_of_its_moment_is_found_although_every_checksum_is_right(library, footage):
    (one,) = open_library(library).catalog.media_of_paths([footage / "one.mp4"]).values()

    def wrong(rows):
        vector = rows.vector.copy()
        row = np.flatnonzero((rows.media_id == one) & (rows.start_us == 2_000_000))
        vector[row] = np.roll(vector[row], 1, axis=1)
        return vector

    forge(library, Modality.AUDIO, wrong)
    assert verify(open_library(library)) == []
    found = check(library)
    (problem,) = found.problems
    assert f"{footage / 'one.mp4'}: its audio moment at 2.000 s" in str(problem)
    assert "cosine" in str(problem)


@pytest.mark.slow
def test_vectors_of_another_encoder_are_found(library, tmp_path, place, footage):
    run_index(tmp_path / "other", footage, model=tiny_weights(tmp_path / "other.safetensors", seed=3))
    other = np.stack(list(moments(tmp_path / "other").values()))
    forge(library, Modality.IMAGE, lambda rows: other[: len(rows)])
    assert verify(open_library(library)) == []
    assert len(check(library).problems) == sum(it.modality is Modality.IMAGE for it in moments(library))


def test_files_that_are_away_are_counted_and_are_no_problem(library, footage):
    (footage / "one.mp4").unlink()
    (footage / "deep" / "sound.wav").touch()
    found = check(library)
    assert found.problems == ()
    assert {it.path.name for it in found.away} == {"one.mp4", "sound.wav"}
    assert 0 < found.num_checked < len(moments(library))


def test_a_file_that_cannot_be_read_any_more_is_a_problem(library, footage):
    state = (footage / "one.mp4").stat()
    (footage / "one.mp4").write_bytes(b"\0" * state.st_size)
    os.utime(footage / "one.mp4", ns=(state.st_atime_ns, state.st_mtime_ns))
    (problem,) = check(library).problems
    assert f"{footage / 'one.mp4'}: cannot be read again" in str(problem)


def test_a_check_that_is_asked_to_stop_says_that_it_is_incomplete(library):
    stop = threading.Event()
    stop.set()
    found = check(library, stop=stop)
    assert (found.num_checked, found.stopped) == (0, True)


def test_a_file_is_read_no_further_than_the_moments_drawn(place, monkeypatch):
    path, read = place / "footage" / "deep" / "sound.wav", []
    genuine = media.read_pass
    monkeypatch.setattr(
        media, "read_pass", lambda *of, **how: (read.append(it) or it for it in genuine(*of, **how))
    )
    pieces = list(read_again(path, media.probe(path), FRONT_END, wanted={Modality.AUDIO: [0, 1_000_000]}))
    assert [piece.start_us for piece in pieces] == [0, 1_000_000]
    assert len(read) == 2  # of three seconds


def test_a_library_without_an_encoder_cannot_be_checked(tmp_path):
    create_library(tmp_path / "empty")
    with pytest.raises(LibraryError, match="nothing has been indexed"):
        check(tmp_path / "empty")


def rows_of(*media_ids):
    """Three moments of each media, spread over the circle."""
    number = np.arange(3 * len(media_ids))
    vector = np.stack([np.cos(number), np.sin(number)], axis=1).astype(np.float32)
    return Rows(vector, np.repeat(np.array(media_ids, np.int64), 3), np.tile(np.array([0, 1, 2]), len(media_ids)))


@pytest.fixture
def view():
    """Of 7 media in three segments, of which 2 and 5 are not live."""
    snapshot = Snapshot(None, (), np.array([1, 3, 4, 6, 7], np.int64))
    image, audio = Modality.IMAGE, Modality.AUDIO
    return View(snapshot, {image: (rows_of(1, 2), rows_of(3, 4, 5)), audio: (rows_of(6, 7),)})


def drawn(view, num_moments, seed=0):
    return [
        (modality, media_id, start_us)
        for modality, rows in draw(view, num_moments, np.random.default_rng(seed))
        for media_id, start_us in zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True)
    ]


def test_only_what_can_be_found_is_drawn_and_nothing_twice(view):
    everything = drawn(view, 100)
    assert len(set(everything)) == len(everything) == 15
    assert {media_id for _, media_id, _ in everything} == {1, 3, 4, 6, 7}
    assert len(set(drawn(view, 6))) == 6
    assert drawn(view, 6) == drawn(view, 6)
    assert drawn(view, 0) == []


def test_each_moment_is_as_likely_as_any_other(view):
    counts = dict.fromkeys(drawn(view, 100), 0)
    for seed in range(1000):
        for moment in drawn(view, 3, seed):
            counts[moment] += 1
    assert min(counts.values()) > 150  # 200 each, with a standard deviation of 13
    assert max(counts.values()) < 250


def test_the_vectors_drawn_are_those_of_their_moments(view):
    for modality, rows in draw(view, 100, np.random.default_rng(0)):
        for media_id, start_us, vector in zip(rows.media_id, rows.start_us, rows.vector, strict=True):
            (segment,) = (it for it in view.segments[modality] if media_id in it.media_id)
            row = np.flatnonzero((segment.media_id == media_id) & (segment.start_us == start_us))
            assert np.array_equal(segment.vector[row[0]], vector)
