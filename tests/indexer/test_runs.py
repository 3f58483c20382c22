import os
import shutil
import threading

import pytest

from avsearch import media
from avsearch.library import open_library, verify
from avsearch.moments import Modality
from indexer.events import Committed, FileDone, Found
from tests.indexer.building import make_footage, moments, run
from tests.tiny import tiny_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return make_footage(tmp_path_factory.mktemp("films") / "footage")


@pytest.fixture
def footage(films, tmp_path):
    return shutil.copytree(films, tmp_path / "footage")


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


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_was_finished_and_the_next_one_completes_it(footage, weights, tmp_path):
    done = []

    def interrupt(event):
        done.extend([event] if isinstance(event, FileDone) else [])
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(footage, tmp_path / "lib", model=weights, num_workers=1, tell=interrupt)
    assert verify(open_library(tmp_path / "lib")) == []
    result = run(footage, tmp_path / "lib")
    assert (result.num_indexed, result.num_unchanged) == (2, 3)


@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_begins_nothing_new_and_commits(footage, weights, tmp_path, monkeypatch):
    stop, begun, genuine = threading.Event(), [], media.examine

    def third_asks(path, **options):
        begun.append(path.name)
        if len(begun) == 3:
            stop.set()
        return genuine(path, **options)

    monkeypatch.setattr(media, "examine", third_asks)
    result = run(footage, tmp_path / "lib", model=weights, num_workers=1, stop=stop)
    assert (result.stopped, result.num_indexed, len(begun)) == (True, 2, 3)
    found = moments(tmp_path / "lib", Modality.IMAGE) | moments(tmp_path / "lib", Modality.AUDIO)
    assert set(found) == set(begun[:2])
    monkeypatch.undo()
    rest = run(footage, tmp_path / "lib")
    assert (rest.num_indexed, rest.stopped) == (3, False)


def test_what_happens_is_told_as_it_happens(footage, weights, tmp_path):
    (footage / "notes.mp4").write_text("only words\n" * 50)
    told = []
    run(footage, tmp_path / "lib", model=weights, tell=told.append)
    [found] = [event for event in told if isinstance(event, Found)]
    size = sum(event.path.stat().st_size for event in told if isinstance(event, FileDone))
    assert (found.num_files, found.num_unchanged, found.num_bytes) == (6, 0, size)
    done = {event.path.name: event for event in told if isinstance(event, FileDone)}
    assert len(done) == 6
    assert (done["one.mp4"].num_images, done["one.mp4"].num_sounds, done["one.mp4"].duration_us) == (
        2,
        3,
        3_000_000,
    )
    assert done["notes.mp4"].reason
    assert told[-1] == Committed(6)


def test_a_bug_in_a_reader_is_raised_and_does_not_hang(footage, weights, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("indexer.reader.read_pieces", broken)
    with pytest.raises(ZeroDivisionError):
        run(footage, tmp_path / "lib", model=weights)


def test_a_bug_in_the_encoder_is_raised_and_does_not_hang(footage, weights, tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("avsearch.encoder.Encoder.encode_images", broken)
    with pytest.raises(ZeroDivisionError):
        run(footage, tmp_path / "lib", model=weights)


def test_a_file_that_changes_while_it_is_read_fails_and_is_read_the_next_time(
    footage, weights, tmp_path, monkeypatch
):
    genuine = media.examine

    def touched(path, **options):
        if path.name == "one.mp4":
            os.utime(path)
        return genuine(path, **options)

    monkeypatch.setattr(media, "examine", touched)
    [failure] = run(footage, tmp_path / "lib", model=weights).failures
    assert "changed while it was read" in failure.reason
    monkeypatch.undo()
    assert run(footage, tmp_path / "lib").num_indexed == 1
