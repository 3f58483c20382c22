import os
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from avsearch.errors import LibraryError, ManifestError, MediaError, WeightsError
from avsearch.library import open_library, verify
from avsearch.moments import Modality, Silent
from indexer import build
from indexer.build import IndexJob, index
from tests.media.clips import ffmpeg, make_clip, tones, write_wav
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films, a sound, a silent film and a picture, in folders."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "deep" / "er").mkdir(parents=True)
    make_film(folder / "one.mp4", seed=1)
    make_film(folder / "deep" / "er" / "two.mov", seed=2, seconds=2)
    write_wav(folder / "deep" / "sound.wav", tones(2.5))
    make_clip(folder / "silent.mp4", frames=30)
    Image.new("RGB", (90, 60), "teal").save(folder / "still.png")
    return folder


@pytest.fixture
def footage(films, tmp_path):
    return shutil.copytree(films, tmp_path / "footage")


def run(footage, library, **options):
    return index(IndexJob([footage], library, **options), Silent())


def moments(library, modality):
    """{path name: start times} of everything that can be found."""
    opened = open_library(library)
    snapshot = opened.snapshot()
    records = opened.catalog.media_records(snapshot.live_media_ids.tolist())
    found = {}
    for rows in opened.segments(snapshot, modality):
        for media_id, start_us in zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True):
            if media_id in records:
                found.setdefault(records[media_id].paths[0].name, []).append(start_us)
    return found


def test_everything_below_a_folder_gets_its_moments(footage, weights, tmp_path):
    result = run(footage, tmp_path / "lib", model=weights)
    assert (result.num_indexed, result.failures) == (5, ())
    second = 1_000_000
    assert moments(tmp_path / "lib", Modality.IMAGE) == {
        "one.mp4": [0, second, 2 * second],
        "two.mov": [0, second],
        "silent.mp4": [0, second],
        "still.png": [0],
    }
    sounds = moments(tmp_path / "lib", Modality.AUDIO)
    assert sounds["sound.wav"] == [0, second, 2 * second]  # the last half second is padded
    assert sounds["one.mp4"] == [0, second, 2 * second]
    assert set(sounds) == {"one.mp4", "two.mov", "sound.wav"}
    assert verify(open_library(tmp_path / "lib")) == []


def test_a_second_run_reads_nothing_again(footage, weights, tmp_path, monkeypatch):
    run(footage, tmp_path / "lib", model=weights)
    monkeypatch.setattr(build, "read_files", lambda *_, **__: pytest.fail("files were read again"))
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (0, 5)


def test_a_changed_file_is_read_again_and_its_old_moments_are_gone(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    make_film(footage / "one.mp4", seed=7, seconds=1)
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (1, 4)
    assert moments(tmp_path / "lib", Modality.IMAGE)["one.mp4"] == [0]
    assert verify(open_library(tmp_path / "lib")) == []


def test_bad_files_are_listed_with_reasons_and_do_not_stop_the_run(footage, weights, tmp_path):
    (footage / "notes.mp4").write_text("only words\n" * 50)
    (footage / "empty.wav").touch()
    whole = (footage / "one.mp4").read_bytes()
    (footage / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(footage / "pipe.mp4")
    result = run(footage, tmp_path / "lib", model=weights)
    reasons = {failure.path.name: failure.reason for failure in result.failures}
    assert result.num_indexed == 5
    assert set(reasons) == {"notes.mp4", "empty.wav", "cut.mp4", "pipe.mp4"}
    assert "empty" in reasons["empty.wav"]
    assert "moov" in reasons["cut.mp4"]
    assert "not a regular file" in reasons["pipe.mp4"]
    again = run(footage, tmp_path / "lib")
    assert {failure.path.name: failure.reason for failure in again.failures} == reasons
    assert open_library(tmp_path / "lib").catalog.status().files["failed"] == 4


def test_failed_files_are_retried_on_request_or_when_they_change(footage, weights, tmp_path):
    good = (footage / "one.mp4").read_bytes()
    (footage / "one.mp4").write_bytes(good[:1000])
    assert len(run(footage, tmp_path / "lib", model=weights).failures) == 1
    assert len(run(footage, tmp_path / "lib", retry_failed=True).failures) == 1
    (footage / "one.mp4").write_bytes(good)
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, len(result.failures)) == (1, 0)


def test_two_copies_are_one_media_with_two_files(footage, weights, tmp_path):
    shutil.copy(footage / "one.mp4", footage / "copy.mp4")
    run(footage, tmp_path / "lib", model=weights)
    shutil.copy(footage / "one.mp4", footage / "later copy.mp4")
    run(footage, tmp_path / "lib")
    catalog = open_library(tmp_path / "lib").catalog
    ids = catalog.media_of_paths([footage / name for name in ("one.mp4", "copy.mp4", "later copy.mp4")])
    assert len(ids) == 3
    assert len(set(ids.values())) == 1
    assert catalog.status().moments["image"] == 8


def test_a_vanished_file_is_missing_and_comes_back_without_being_read(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    assert run(footage, tmp_path / "lib").num_missing == 1
    assert "one.mp4" not in moments(tmp_path / "lib", Modality.IMAGE)
    (tmp_path / "away.mp4").rename(footage / "renamed.mp4")
    assert run(footage, tmp_path / "lib").num_indexed == 1
    assert moments(tmp_path / "lib", Modality.IMAGE)["renamed.mp4"] == [0, 1_000_000, 2_000_000]
    assert open_library(tmp_path / "lib").catalog.status().moments["image"] == 8


def test_a_folder_that_is_not_there_marks_nothing_missing(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    footage.rename(tmp_path / "unmounted")
    with pytest.raises(MediaError, match="no such file or folder"):
        run(footage, tmp_path / "lib")
    footage.mkdir()
    with pytest.raises(MediaError, match="holds no media"):
        run(footage, tmp_path / "lib")
    assert open_library(tmp_path / "lib").catalog.status().files["missing"] == 0


def test_labels_come_from_the_manifest_also_for_files_that_are_unchanged(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    (footage / "labels.csv").write_text("path,labels,split\none.mp4,dog;animal,test\ndeep/er/two.mov,cat,test\n")
    run(footage, tmp_path / "lib", manifest=footage / "labels.csv")
    catalog = open_library(tmp_path / "lib").catalog
    ids = catalog.media_of_paths([footage / "one.mp4", footage / "deep" / "er" / "two.mov"])
    labels = {path.name: catalog.media_records([media_id])[media_id].labels for path, media_id in ids.items()}
    assert {name: set(found) for name, found in labels.items()} == {
        "one.mp4": {"dog", "animal"},
        "two.mov": {"cat"},
    }


def test_a_first_index_without_weights_names_the_command_and_leaves_nothing(footage, tmp_path):
    with pytest.raises(LibraryError) as caught:
        run(footage, tmp_path / "lib")
    assert f"avsearch train {footage} --out run" in caught.value.hint
    assert not (tmp_path / "lib").exists()


def test_another_encoder_is_refused_and_both_are_named(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    other = tiny_weights(tmp_path / "other.safetensors", seed=5)
    with pytest.raises(LibraryError, match="is not the encoder that made this library's vectors"):
        run(footage, tmp_path / "lib", model=other)


def test_a_model_of_an_unknown_architecture_is_refused_and_leaves_nothing(footage, tmp_path):
    tomorrow = tiny_weights(tmp_path / "w.safetensors", architecture="tomorrow")
    with pytest.raises(WeightsError, match="architecture tomorrow"):
        run(footage, tmp_path / "lib", model=tomorrow)
    assert not (tmp_path / "lib").exists()


def test_a_broken_manifest_stops_the_run_before_anything_is_made(footage, weights, tmp_path):
    (tmp_path / "m.csv").write_text("file\nx.mp4\n")
    with pytest.raises(ManifestError):
        run(footage, tmp_path / "lib", model=weights, manifest=tmp_path / "m.csv")
    assert not (tmp_path / "lib").exists()


def test_an_interrupted_run_keeps_what_was_finished_and_the_next_one_completes_it(
    footage, weights, tmp_path, monkeypatch
):
    genuine = build.read_files

    def interrupted(*arguments, **options):
        for number, read in enumerate(genuine(*arguments, **options)):
            if number == 3:
                raise KeyboardInterrupt
            yield read

    monkeypatch.setattr(build, "read_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(footage, tmp_path / "lib", model=weights, num_workers=1)
    assert verify(open_library(tmp_path / "lib")) == []
    monkeypatch.undo()
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (2, 3)


def test_a_bug_in_a_reader_is_raised_and_does_not_hang(footage, weights, tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("indexer.pipeline.read_pieces", broken)
    with pytest.raises(ZeroDivisionError):
        run(footage, tmp_path / "lib", model=weights)


def test_a_chosen_stream_of_sound_is_the_one_that_is_indexed(weights, tmp_path):
    low = write_wav(tmp_path / "low.wav", tones(1))
    high = write_wav(tmp_path / "high.wav", tones(3)[96_000:])
    (tmp_path / "in").mkdir()
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", "-c:a", "flac", tmp_path / "in" / "two.mkv")
    ffmpeg("-i", high, tmp_path / "in" / "high.flac")
    index(IndexJob([tmp_path / "in" / "high.flac"], tmp_path / "lib", model=weights), Silent())
    index(IndexJob([tmp_path / "in" / "two.mkv"], tmp_path / "lib", audio_stream=1), Silent())
    library = open_library(tmp_path / "lib")
    vectors = np.concatenate([rows.vector for rows in library.segments(library.snapshot(), Modality.AUDIO)])
    assert vectors[0] @ vectors[1] > 0.999


def test_a_header_that_lies_about_the_duration_is_not_believed(footage, weights, tmp_path):
    from avsearch import media
    from indexer.ingest import with_true_duration

    info = media.probe(footage / "one.mp4")
    lying = info.__class__(**{**vars(info), "duration_us": 143_165_643_233})
    assert with_true_duration(lying, 2_000_000, footage / "one.mp4").duration_us == 3_000_000
    assert with_true_duration(info, 2_000_000, footage / "one.mp4") == info


def test_the_catalog_names_what_sqlite_alone_can_read(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    with sqlite3.connect(tmp_path / "lib" / "catalog.sqlite3") as connection:
        rows = connection.execute("select kind, width, height from media where kind = 'picture'").fetchall()
    connection.close()
    assert rows == [("picture", 90, 60)]
