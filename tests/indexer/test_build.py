import shutil
import sqlite3
import threading

import numpy as np
import pytest

from avsearch import media
from avsearch.errors import LibraryError, ManifestError, MediaError, WeightsError
from avsearch.library import open_library, verify
from avsearch.moments import Modality
from indexer.build import index
from indexer.index_job import IndexJob
from indexer.pipeline import Pipeline
from tests.indexer.building import ignore, make_footage, moments, run
from tests.media.clips import ffmpeg, make_clip, numbered_frames, tones, write_wav
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return make_footage(tmp_path_factory.mktemp("films") / "footage")


@pytest.fixture
def footage(films, tmp_path):
    return shutil.copytree(films, tmp_path / "footage")


def test_everything_below_a_folder_gets_its_moments(footage, weights, tmp_path):
    result = run(footage, tmp_path / "lib", model=weights)
    assert (result.num_indexed, result.failures) == (5, ())
    second = 1_000_000
    assert moments(tmp_path / "lib", Modality.IMAGE) == {
        "one.mp4": [0, 2 * second],
        "two.mov": [0],
        "silent.mp4": [0],
        "still.png": [0],
    }
    sounds = moments(tmp_path / "lib", Modality.AUDIO)
    assert sounds["sound.wav"] == [0, second, 2 * second]  # the last half second is padded
    assert sounds["one.mp4"] == [0, second, 2 * second]
    assert set(sounds) == {"one.mp4", "two.mov", "sound.wav"}
    assert verify(open_library(tmp_path / "lib")) == []


def test_no_encoder_is_at_work_once_a_run_has_ended(footage, weights, tmp_path):
    """A process that ends while a thread is inside torch aborts."""
    at_work = []

    def note(_event):
        at_work.extend(it for it in threading.enumerate() if it.name.startswith("encode_"))

    run(footage, tmp_path / "lib", model=weights, tell=note)
    assert at_work
    assert [it.name for it in at_work if it.is_alive()] == []


def test_a_second_run_reads_nothing_again(footage, weights, tmp_path, monkeypatch):
    run(footage, tmp_path / "lib", model=weights)
    monkeypatch.setattr(Pipeline, "run", lambda *_, **__: pytest.fail("files were read again"))
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (0, 5)


def test_a_changed_file_is_read_again_and_its_old_moments_are_gone(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    make_film(footage / "one.mp4", seed=7, seconds=1)
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (1, 4)
    assert moments(tmp_path / "lib", Modality.IMAGE)["one.mp4"] == [0]
    assert verify(open_library(tmp_path / "lib")) == []


def test_two_copies_are_one_media_with_two_files(footage, weights, tmp_path):
    shutil.copy(footage / "one.mp4", footage / "copy.mp4")
    run(footage, tmp_path / "lib", model=weights)
    shutil.copy(footage / "one.mp4", footage / "later copy.mp4")
    run(footage, tmp_path / "lib")
    catalog = open_library(tmp_path / "lib").catalog
    ids = catalog.media_of_paths([footage / name for name in ("one.mp4", "copy.mp4", "later copy.mp4")])
    assert len(ids) == 3
    assert len(set(ids.values())) == 1
    assert catalog.status().moments["image"] == 5


@pytest.mark.slow
def test_a_vanished_file_is_missing_and_comes_back_without_being_read(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    assert run(footage, tmp_path / "lib").num_missing == 1
    assert "one.mp4" not in moments(tmp_path / "lib", Modality.IMAGE)
    (tmp_path / "away.mp4").rename(footage / "renamed.mp4")
    assert run(footage, tmp_path / "lib").num_indexed == 1
    assert moments(tmp_path / "lib", Modality.IMAGE)["renamed.mp4"] == [0, 2_000_000]
    assert open_library(tmp_path / "lib").catalog.status().moments["image"] == 5


def test_a_folder_that_is_not_there_marks_nothing_missing_and_is_named(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    footage.rename(tmp_path / "unmounted")
    assert run(footage, tmp_path / "lib").unmounted == (footage,)
    footage.mkdir()
    assert run(footage, tmp_path / "lib").unmounted == (footage,)
    assert open_library(tmp_path / "lib").catalog.status().files["missing"] == 0
    with pytest.raises(MediaError, match="no such file or folder"):
        run(tmp_path / "never there", tmp_path / "lib")


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


def test_digital_silence_makes_no_moments_and_is_counted(weights, tmp_path):
    (tmp_path / "in").mkdir()
    write_wav(tmp_path / "in" / "nothing.wav", np.zeros(5 * 48_000, np.float32))
    quiet = np.concatenate([np.zeros(2 * 48_000), 0.001 * np.sin(np.arange(48_000))]).astype(np.float32)
    write_wav(tmp_path / "in" / "quiet.wav", quiet)
    assert run(tmp_path / "in", tmp_path / "lib", model=weights).num_indexed == 2
    assert moments(tmp_path / "lib", Modality.AUDIO) == {"quiet.wav": [2_000_000]}
    assert open_library(tmp_path / "lib").catalog.status().silent_seconds == 7
    assert run(tmp_path / "in", tmp_path / "lib").num_unchanged == 2


def test_a_frozen_or_black_stretch_is_one_moment_and_the_rest_is_counted(weights, tmp_path):
    (tmp_path / "in").mkdir()
    pictures = numbered_frames(40, 160, 120)[[24, 0, 36]]  # 4 s of one, 4 s of black, 4 s of another
    film = pictures.repeat(4 * 10, axis=0)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "160x120", "-r", "10", "-i", "pipe:0"]
    codec = ["-c:v", "libx264", "-g", "10", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]
    ffmpeg(*source, *codec, tmp_path / "in" / "film.mp4", stdin=film.tobytes())
    run(tmp_path / "in", tmp_path / "lib", model=weights)
    assert moments(tmp_path / "lib", Modality.IMAGE) == {"film.mp4": [0, 4_000_000, 8_000_000]}
    assert open_library(tmp_path / "lib").catalog.status().still_frames == 9


@pytest.mark.slow
def test_moments_are_keyframes_and_gaps_are_filled_up_to_the_limit(weights, tmp_path):
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in" / "a.mp4", frames=250, size=(640, 480), gop=125)  # too large to be read at once
    run(tmp_path / "in", tmp_path / "lib", model=weights)
    found = moments(tmp_path / "lib", Modality.IMAGE)["a.mp4"]
    assert {0, 5_000_000} <= set(found)
    assert max(np.diff([*found, 10_000_000])) <= 2_000_000
    run(tmp_path / "in", tmp_path / "lib2", model=weights, gap_us=10_000_000)
    assert moments(tmp_path / "lib2", Modality.IMAGE)["a.mp4"] == [0, 5_000_000]


def test_a_chosen_stream_of_sound_is_the_one_that_is_indexed(weights, tmp_path):
    low = write_wav(tmp_path / "low.wav", tones(1))
    high = write_wav(tmp_path / "high.wav", tones(3)[96_000:])
    (tmp_path / "in").mkdir()
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", "-c:a", "flac", tmp_path / "in" / "two.mkv")
    ffmpeg("-i", high, tmp_path / "in" / "high.flac")
    index(IndexJob([tmp_path / "in" / "high.flac"], tmp_path / "lib", model=weights), ignore)
    index(IndexJob([tmp_path / "in" / "two.mkv"], tmp_path / "lib", audio_stream=1), ignore)
    library = open_library(tmp_path / "lib")
    vectors = np.concatenate([rows.vector for rows in library.segments(library.snapshot(), Modality.AUDIO)])
    assert vectors[0] @ vectors[1] > 0.999


def test_a_header_that_lies_about_the_duration_is_not_believed(footage, weights, tmp_path):
    from indexer.ingest import with_true_duration

    info = media.probe(footage / "one.mp4")
    lying = info.__class__(**{**vars(info), "duration_us": 143_165_643_233})
    assert with_true_duration(lying, 2_000_000, footage / "one.mp4", gap_us=2_000_000).duration_us == 3_000_000
    assert with_true_duration(info, 2_000_000, footage / "one.mp4", gap_us=2_000_000) == info


def test_the_catalog_names_what_sqlite_alone_can_read(footage, weights, tmp_path):
    run(footage, tmp_path / "lib", model=weights)
    with sqlite3.connect(tmp_path / "lib" / "catalog.sqlite3") as connection:
        rows = connection.execute("select kind, width, height from media where kind = 'picture'").fetchall()
    connection.close()
    assert rows == [("picture", 90, 60)]
