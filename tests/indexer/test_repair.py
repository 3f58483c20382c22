import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from avsearch.errors import LibraryError
from avsearch.library import open_library, verify
from avsearch.moments import Modality
from avsearch.query import Source, search
from indexer import again
from indexer.events import FileDone
from indexer.reembed import ReembedJob, reembed
from indexer.repair import RepairJob, repair
from tests.indexer.known import (
    NOBODY,
    by_file,
    copy_of,
    count_encoded,
    flip_byte,
    lowest_cosine,
    make_footage,
    moments,
    run_index,
    segments_of,
)
from tests.media.clips import ffmpeg, make_clip, tones, write_wav
from tests.tiny import tiny_weights

NEAR, FAR = "deep", "."  # the folders of the first run and of the second: each makes segments of its own


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Footage, a library of it that was made in two runs, and weights files."""
    folder = tmp_path_factory.mktemp("known")
    footage = make_footage(folder / "footage")
    for seed, name in enumerate(("own", "other")):
        tiny_weights(folder / f"{name}.safetensors", seed=seed)
    run_index(folder / "library", footage / NEAR, model=folder / "own.safetensors")
    run_index(folder / "library", footage / FAR)
    return folder


@pytest.fixture
def library(place, tmp_path):
    return copy_of(place / "library", place / "footage", tmp_path)


@pytest.fixture
def footage(library):
    return library.parent / "footage"


def run(directory, tell=NOBODY, stop=None, **options):
    return repair(RepairJob(directory, **options), tell, stop)


def segment(directory, modality, number):
    """The path of the first or second segment of a modality."""
    paths = [path for path, record in segments_of(directory) if record.modality is modality]
    return paths[number]


def problems(directory):
    return [str(problem) for problem in verify(open_library(directory))]


def execute(directory, statement):
    """Change the catalog behind avsearch's back."""
    with closing(sqlite3.connect(directory / "catalog.sqlite3")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("modality", Modality)
def test_a_flipped_byte_costs_no_more_than_reading_the_media_that_it_hit(library, footage, modality, monkeypatch):
    before = moments(library)
    damaged = segment(library, modality, 0)
    flip_byte(damaged)
    assert any(damaged.name in problem and "avsearch library repair" in problem for problem in problems(library))
    with pytest.raises(LibraryError, match="damaged"):
        search(open_library(library), Source(footage / "one.mp4", 0), find=modality)
    encoded, files = count_encoded(monkeypatch), []
    result = run(library, tell=lambda event: files.append(event) if isinstance(event, FileDone) else None)
    hit = {"two.mov"} if modality is Modality.IMAGE else {"two.mov", "sound.wav"}
    assert {event.path.name for event in files} == hit
    assert (result.num_segments, result.num_media, result.num_moments) == (1, len(hit), sum(encoded))
    assert sum(encoded) == sum(name in hit and found is modality for name, found, _ in by_file(library))
    assert (result.still_lost, result.changed, result.problems) == ((), (), ())
    assert problems(library) == []
    assert lowest_cosine(moments(library), before) >= 0.9999
    assert search(open_library(library), Source(footage / "one.mp4", 0), find=modality)


def test_everything_is_made_again_when_all_segments_are_gone(library):
    before = moments(library)
    for path, _ in segments_of(library):
        path.unlink()
    result = run(library)
    assert (result.num_segments, result.num_moments) == (4, len(before))
    assert problems(library) == []
    assert lowest_cosine(moments(library), before) >= 0.9999


def test_a_whole_library_is_left_alone(library, monkeypatch):
    encoded, before = count_encoded(monkeypatch), segments_of(library)
    result = run(library)
    assert (result.num_segments, result.num_media, result.still_lost) == (0, 0, ())
    assert segments_of(library) == before
    assert encoded == []


def test_files_that_are_away_stay_lost_until_they_are_back(library, footage, tmp_path):
    before = moments(library)
    segment(library, Modality.AUDIO, 0).unlink()
    (footage / "deep" / "sound.wav").rename(tmp_path / "away.wav")
    result = run(library)
    assert [it.path.name for it in result.still_lost] == ["sound.wav"]
    assert "is not there" in result.still_lost[0].reason
    assert result.num_media == 1
    assert any("lost" in problem for problem in problems(library))
    (tmp_path / "away.wav").rename(footage / "deep" / "sound.wav")
    assert run(library).num_media == 1
    assert problems(library) == []
    assert lowest_cosine(moments(library), before) >= 0.9999


@pytest.mark.slow
def test_moments_are_found_again_as_they_were_planned(place, tmp_path):
    low, high = write_wav(tmp_path / "low.wav", tones(1)), write_wav(tmp_path / "high.wav", tones(3)[96_000:])
    footage = tmp_path / "footage"
    footage.mkdir()
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", "-c:a", "flac", footage / "two.mkv")
    make_clip(footage / "long.mp4", frames=250, gop=125)
    library = tmp_path / "library"
    run_index(library, footage / "long.mp4", model=place / "own.safetensors", gap_us=700_000)
    run_index(library, footage / "two.mkv", audio_stream=1)
    before = moments(library)
    for path, _ in segments_of(library):
        path.unlink()
    assert run(library).changed == ()
    assert lowest_cosine(moments(library), before) >= 0.9999
    assert len(before) > 14


def test_a_run_that_is_asked_to_stop_goes_on_the_next_time(library, monkeypatch):
    before = moments(library)
    for path, _ in segments_of(library):
        flip_byte(path)
    stop, files = threading.Event(), []

    def stop_after_one(file):
        files.append(file)
        stop.set()

    with monkeypatch.context() as patched:
        patched.setattr(again, "require_unchanged", stop_after_one)
        result = run(library, stop=stop, num_workers=1)
    assert (result.stopped, result.num_media, result.num_segments) == (True, 1, 4)
    result = run(library)
    assert (result.stopped, result.num_segments) == (False, 0)
    assert problems(library) == []
    assert lowest_cosine(moments(library), before) >= 0.9999


def test_nothing_is_dropped_after_the_order_to_stop(library):
    flip_byte(segment(library, Modality.AUDIO, 0))
    stop = threading.Event()
    stop.set()
    result = run(library, stop=stop)
    assert (result.stopped, result.num_segments) == (True, 0)
    assert segment(library, Modality.AUDIO, 0).exists()


def test_another_number_of_moments_is_published_and_said(library, footage):
    before = moments(library)
    (one,) = open_library(library).catalog.media_of_paths([footage / "one.mp4"]).values()
    segment(library, Modality.AUDIO, 1).unlink()
    execute(library, f"update coverage set num_moments = 9 where media_id = {one} and modality = 'audio'")
    result = run(library)
    assert [(it.path.name, it.reason) for it in result.changed] == [
        ("one.mp4", "gives 3 audio moments, where there were 9.")
    ]
    assert problems(library) == []
    assert moments(library).keys() == before.keys()


def test_no_moment_comes_in_twice_where_the_catalog_contradicts_itself(library):
    before = moments(library)
    execute(library, "update coverage set num_moments = 9 where modality = 'audio' and num_moments = 3")
    result = run(library)
    assert ["restore the database" in str(problem) for problem in result.problems] == [True]
    assert result.num_media == 0
    assert sum(record.num_rows for _, record in segments_of(library)) == len(before)


def test_weights_are_restored_from_the_file_that_they_came_from(library, place):
    weights = open_library(library).encoder_path(open_library(library).catalog.active_encoder())
    flip_byte(weights)
    segment(library, Modality.IMAGE, 0).unlink()
    result = run(library)
    assert len(result.problems) == 1
    assert "--model" in str(result.problems[0])
    assert [it.path.name for it in result.still_lost] == ["two.mov"]
    with pytest.raises(LibraryError, match="is no encoder of this library"):
        run(library, model=place / "other.safetensors")
    result = run(library, model=place / "own.safetensors")
    assert [encoder.recipe for encoder in result.restored] == ["random"]
    assert (result.problems, result.num_media) == ((), 1)
    assert problems(library) == []
    assert run(library, model=place / "own.safetensors").restored == ()


def test_another_encoder_can_take_over_where_the_weights_are_gone_for_good(library, place):
    before = moments(library)
    open_library(library).encoder_path(open_library(library).catalog.active_encoder()).unlink()
    segment(library, Modality.IMAGE, 0).unlink()
    assert run(library).problems
    assert reembed(ReembedJob(library, place / "other.safetensors"), NOBODY).is_switched
    assert problems(library) == []
    assert moments(library).keys() == before.keys()


def test_what_an_encoder_lost_that_is_not_active_yet_is_made_again_too(library, footage, place, tmp_path):
    (footage / "still.png").rename(tmp_path / "away.png")
    pending = reembed(ReembedJob(library, place / "other.safetensors"), NOBODY).new
    for path, record in segments_of(library, pending.fingerprint):
        if record.modality is Modality.AUDIO:
            flip_byte(path)
    result = run(library)
    assert (result.num_segments, result.num_media) == (1, 3)
    assert problems(library) == []
    assert open_library(library).catalog.pending_encoder() == pending
    (tmp_path / "away.png").rename(footage / "still.png")
    result = reembed(ReembedJob(library, place / "other.safetensors"), NOBODY)
    assert (result.num_media, result.is_switched) == (1, True)


def test_a_damaged_catalog_is_left_alone_and_so_are_the_segments(library):
    before = segments_of(library)
    execute(library, "pragma writable_schema = on")
    execute(library, "insert into embedding values (77, 1, 5)")
    with pytest.raises(LibraryError, match="the catalog is damaged") as caught:
        run(library)
    assert "backup" in caught.value.hint
    assert all(path.exists() for path, _ in before)


def test_a_folder_of_segments_that_is_not_there_is_no_damage(library, tmp_path):
    shutil.move(library / "segments", tmp_path / "unmounted")
    with pytest.raises(LibraryError, match="is not there"):
        run(library)
    shutil.move(tmp_path / "unmounted", library / "segments")
    assert problems(library) == []
