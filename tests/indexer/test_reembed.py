import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from avsearch.errors import LibraryError
from avsearch.library import compact, open_library, verify
from avsearch.moments import Modality, Silent
from avsearch.query import Source, search
from indexer import again, remaking
from indexer.events import Committed, FileDone
from indexer.reembed import ReembedJob, abandon, reembed
from indexer.repair import RepairJob, repair
from tests.indexer.known import (
    NOBODY,
    by_file,
    copy_of,
    count_encoded,
    lowest_cosine,
    make_place,
    moments,
    run_index,
    segments_of,
)
from tests.media.clips import ffmpeg, tones, write_wav

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Footage, a library of it with the encoder `old`, one with the encoder `new`, and both weights files."""
    folder = make_place(tmp_path_factory.mktemp("known"), "old", "new", "third")
    run_index(folder / "fresh", folder / "footage", model=folder / "new.safetensors")
    return folder


@pytest.fixture
def new(place):
    return place / "new.safetensors"


@pytest.fixture
def library(place, tmp_path):
    return copy_of(place / "library", place / "footage", tmp_path)


@pytest.fixture
def footage(library):
    return library.parent / "footage"


@pytest.fixture
def commits_every_file(monkeypatch):
    monkeypatch.setattr(remaking, "COMMIT_EVERY_S", 0.0)


def active(directory):
    return open_library(directory).catalog.active_encoder()


def run(directory, weights, tell=NOBODY, stop=None, **options):
    return reembed(ReembedJob(directory, weights, **options), tell, stop)


def test_a_new_encoder_takes_over_with_the_same_moments(library, new, place):
    before = moments(library)
    result = run(library, new)
    assert (result.is_switched, result.unreadable, result.stopped) == (True, (), False)
    assert (result.num_media, result.num_done, result.num_live) == (6, 6, 6)
    assert active(library) == result.new
    assert moments(library).keys() == before.keys()
    assert result.num_moments == len(before) > 15
    assert lowest_cosine(by_file(library), by_file(place / "fresh")) > 0.9999
    assert verify(open_library(library)) == []


def test_the_old_vectors_are_reclaimed_afterwards(library, new):
    run(library, new)
    after, size = moments(library), open_library(library).catalog.status().segment_bytes
    compact(open_library(library), Silent())
    status = open_library(library).catalog.status()
    assert (status.dead_moments, status.pending) == (0, None)
    assert status.segment_bytes < 0.6 * size
    assert lowest_cosine(moments(library), after) > 0.9999
    assert [path.stem for path in (library / "encoders").iterdir()] == [active(library).fingerprint]
    assert run_index(library, library.parent / "footage").num_unchanged == 6


@pytest.mark.slow
def test_the_library_answers_with_the_old_encoder_until_the_switch(library, new, footage, commits_every_file):
    asked = Source(footage / "one.mp4", 0)
    answers = []

    def ask(_event=None):
        hits = search(open_library(library), asked, find=Modality.IMAGE, by=Modality.IMAGE, k=3)
        answers.append([(hit.moment_id, hit.score) for hit in hits])

    ask()
    result = run(library, new, tell=lambda event: ask() if isinstance(event, Committed) else None)
    before, *meanwhile = answers
    assert len(meanwhile) >= 5
    assert meanwhile == [before] * len(meanwhile)
    ask()
    assert result.is_switched
    assert [score for _, score in answers[-1]] != [score for _, score in before]
    assert answers[-1][0][1] > 0.999  # it finds itself, by vectors of the new encoder


def test_a_run_that_is_cut_off_keeps_what_was_committed(library, new, monkeypatch, commits_every_file):
    done = []

    def interrupt(event):
        done.extend([event] if isinstance(event, FileDone) else [])
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(library, new, tell=interrupt, num_workers=1)
    assert verify(open_library(library)) == []
    assert open_library(library).catalog.status().num_pending_done == 3
    encoded = count_encoded(monkeypatch)
    result = run(library, new)
    assert (result.num_media, result.num_done, result.is_switched) == (3, 6, True)
    assert sum(encoded) == result.num_moments
    assert verify(open_library(library)) == []


@pytest.mark.slow
def test_a_killed_run_is_finished_by_the_next(library, new, place):
    before = moments(library)
    program = (
        "import os, signal, sys; from pathlib import Path; from indexer import events, reembed, remaking\n"
        "remaking.COMMIT_EVERY_S = 0.0\n"
        "def tell(event):\n"
        "    if isinstance(event, events.Committed) and event.num_files == 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "reembed.reembed(reembed.ReembedJob(*map(Path, sys.argv[1:]), num_workers=1), tell)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, library, new], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert verify(open_library(library)) == []
    assert moments(library).keys() == before.keys()
    result = run(library, new)
    assert (result.num_media, result.is_switched) == (4, True)
    assert moments(library).keys() == before.keys()
    assert lowest_cosine(by_file(library), by_file(place / "fresh")) > 0.9999


def test_a_run_that_is_asked_to_stop_commits_what_is_finished_and_does_not_switch(library, new, monkeypatch):
    stop, files = threading.Event(), []

    def stop_after_two(file):
        files.append(file)
        if len(files) == 2:
            stop.set()

    monkeypatch.setattr(again, "require_unchanged", stop_after_two)
    result = run(library, new, stop=stop, num_workers=1)
    assert (result.stopped, result.is_switched, result.unreadable) == (True, False, ())
    assert (result.num_media, result.num_done, result.num_live) == (2, 2, 6)
    assert active(library) == result.old
    assert verify(open_library(library)) == []
    assert run(library, new, stop=stop).num_media == 0
    last = run(library, new)
    assert (last.num_media, last.is_switched) == (4, True)


def test_the_encoder_in_use_is_refused_and_so_is_a_second_new_one(library, new, place, footage, tmp_path):
    with pytest.raises(LibraryError, match="is the encoder that the library uses"):
        run(library, place / "old.safetensors")
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    run(library, new)
    with pytest.raises(LibraryError, match="another encoder are being made") as caught:
        run(library, place / "third.safetensors")
    assert "--abandon" in caught.value.hint


@pytest.mark.slow
def test_a_new_encoder_that_is_given_up_leaves_the_library_as_it_was(library, new, place, footage, tmp_path):
    before = moments(library)
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    pending = run(library, new).new
    assert abandon(library) == pending
    with pytest.raises(LibraryError, match="no vectors of another encoder are being made"):
        abandon(library)
    compact(open_library(library), Silent())
    assert segments_of(library, pending.fingerprint) == []
    assert lowest_cosine(moments(library), before) > 0.9999
    (tmp_path / "away.mp4").rename(footage / "one.mp4")
    assert run(library, place / "third.safetensors").is_switched


def test_what_the_new_encoder_lost_meanwhile_is_made_again(library, new, footage, tmp_path, place):
    (footage / "one.mp4").rename(tmp_path / "away.mp4")
    pending = run(library, new).new
    (record,) = (it for _, it in segments_of(library, pending.fingerprint) if it.modality is Modality.AUDIO)
    with open_library(library).writer() as writer:
        writer.drop_segments([record])
    (tmp_path / "away.mp4").rename(footage / "one.mp4")
    assert run(library, new).is_switched
    assert lowest_cosine(by_file(library), by_file(place / "fresh")) > 0.9999
    assert verify(open_library(library)) == []


def test_what_the_old_encoder_has_lost_is_planned_anew(library, new, place):
    with open_library(library).writer() as writer:
        writer.drop_segments([record for _, record in segments_of(library)])
    assert run(library, new).is_switched
    assert lowest_cosine(by_file(library), by_file(place / "fresh")) > 0.9999


def test_damaged_vectors_of_the_old_encoder_are_to_be_repaired_first(library, new):
    (path, _), *_ = segments_of(library)
    path.unlink()
    with pytest.raises(LibraryError, match="cannot be read") as caught:
        run(library, new)
    assert "avsearch library repair" in caught.value.hint


def test_the_stream_of_sound_that_was_chosen_is_the_one_that_is_read_again(place, new, tmp_path):
    low, high = write_wav(tmp_path / "low.wav", tones(1)), write_wav(tmp_path / "high.wav", tones(3)[96_000:])
    (tmp_path / "footage").mkdir()
    ffmpeg("-i", low, "-i", high, "-map", "0", "-map", "1", "-c:a", "flac", tmp_path / "footage" / "two.mkv")
    for name, weights in (("library", "old"), ("fresh", "new")):
        model = place / f"{weights}.safetensors"
        run_index(tmp_path / name, tmp_path / "footage", model=model, audio_stream=1)
    run(tmp_path / "library", new)
    assert lowest_cosine(by_file(tmp_path / "library"), by_file(tmp_path / "fresh")) > 0.9999


def test_nobody_else_writes_while_vectors_are_made(library, new, footage):
    refused = []

    def write(event):
        if isinstance(event, FileDone):
            with pytest.raises(LibraryError, match="another avsearch writes"), open_library(library).writer():
                pass
            refused.append(event)

    run(library, new, tell=write)
    assert len(refused) == 6


@pytest.mark.slow
def test_both_databases_take_a_new_encoder_and_what_it_lost(database_url, place, new, tmp_path):
    directory, footage = tmp_path / "library", place / "footage"
    run_index(directory, footage, model=place / "old.safetensors", database_url=database_url)
    before = moments(directory)
    assert run(directory, new).is_switched
    for path, _ in segments_of(directory, active(directory).fingerprint):
        path.unlink()
    assert repair(RepairJob(directory), NOBODY).num_moments == len(before)
    assert verify(open_library(directory)) == []
    assert moments(directory).keys() == before.keys()
