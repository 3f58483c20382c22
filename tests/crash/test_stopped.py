"""Ctrl-C and SIGTERM: once they finish what is in hand, twice they end the run at once."""

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest

from avsearch.library import open_library
from avsearch.media import contents as hashing
from indexer.build import index
from indexer.index_job import IndexJob
from tests.crash.running import assert_same, assert_sound, committed, contents, finished, running_on, unheard
from tests.media.clips import tones, write_wav

NEVER = {"commit_every_s": 3600}


def heard_files(process, count):
    """Read events until so many files are done; their paths."""
    paths = []
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "file":
            paths.append(event["path"])
        if len(paths) == count:
            return paths
    raise AssertionError(process.stderr.read())


@pytest.fixture
def start_in_terminal(start):
    """Start a command for which Ctrl-C counts, even where the tests were put into the background."""
    return partial(start, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_told_to_stop_commits_all_that_is_finished_and_names_the_command_to_go_on(
    start_in_terminal, clips, weights, all_of_clips, tmp_path, number, code
):
    library = tmp_path / "my library"
    run = start_in_terminal("index", clips, "--library", library, "--model", weights, "--json", settings=NEVER)
    told = heard_files(run, 5)
    run.send_signal(number)
    out, errors = run.stdout.read(), run.stderr.read()
    assert run.wait() == code
    told += [event["path"] for event in map(json.loads, out.splitlines()) if event["event"] == "file"]
    assert 5 <= len(told) < len(list(clips.iterdir()))
    assert_sound(library, all_of_clips)
    records = open_library(library).catalog.media_records(open_library(library).snapshot().live_media_ids.tolist())
    assert sorted(str(path) for record in records.values() for path in record.paths) == sorted(told)
    name, *words = shlex.split(errors.splitlines()[-1])
    assert name == "avsearch"
    assert finished(*words)[0] == 0
    assert_same(contents(open_library(library)), all_of_clips)


@pytest.fixture
def hanging_decoder(tmp_path, monkeypatch):
    """An ffmpeg that reads no file with `29` in its name and never ends; it writes down that it was called."""
    folder, called, real = tmp_path / "bin", tmp_path / "called", shutil.which("ffmpeg")
    folder.mkdir()
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncase "$*" in *29.mp4*) touch {called}; exec sleep 60;; esac\nexec {real} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return called


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_does_not_wait_for_a_decoder_that_hangs(
    start_in_terminal, clips, weights, all_of_clips, tmp_path, hanging_decoder
):
    library = tmp_path / "library"
    words = ["index", clips / "29.mp4", clips, "--library", library, "--model", weights, "--json"]
    run = start_in_terminal(*words, settings=NEVER)
    heard_files(run, 3)
    while not hanging_decoder.exists():
        time.sleep(0.05)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.stdout.read()
    errors = run.stderr.read()
    assert run.wait() == 130, errors
    assert time.monotonic() - began < 10
    assert len(assert_sound(library, all_of_clips)) > 0
    assert running_on(clips) == []


@pytest.mark.slow
def test_a_run_that_is_told_twice_ends_at_once_and_leaves_a_sound_library(
    start_in_terminal, clips, weights, all_of_clips, tmp_path
):
    """It was to wait for its last commit."""
    library = tmp_path / "library"
    settings = {"commit_every_s": 0, "hold": str(tmp_path / "never")}
    words = ["index", clips, "--library", library, "--model", weights, "--json"]
    run = start_in_terminal(*words, settings=settings)
    committed(run)
    run.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(1)
    run.send_signal(signal.SIGINT)
    run.stdout.read()
    errors = run.stderr.read()
    assert run.wait() == 130
    assert errors.splitlines()[-1] == "Stopped. The same command goes on from here."
    assert 0 < len(assert_sound(library, all_of_clips)) < len(all_of_clips)
    assert running_on(clips) == []


class SlowFile:
    """Takes ten seconds to be read through."""

    def __init__(self):
        self.num_left = 200

    def read(self, _size):
        time.sleep(0.05)
        self.num_left -= 1
        return b"x" * (self.num_left > 0)


@pytest.mark.parametrize("num_copies", [1, 2])  # of two files of one size the contents are looked at first
def test_a_run_that_is_told_to_stop_does_not_hash_a_large_file_to_its_end(
    weights, tmp_path, monkeypatch, num_copies
):
    footage = tmp_path / "in"
    footage.mkdir()
    for number in range(num_copies):
        write_wav(footage / f"{number}.wav", tones(1) * (number + 1) / 2)
    stop, stopped_at = threading.Event(), []

    @contextmanager
    def open_slowly(path):
        threading.Timer(0.3, lambda: (stopped_at.append(time.monotonic()), stop.set())).start()
        yield SlowFile()

    monkeypatch.setattr(hashing, "open_file", open_slowly)
    job = IndexJob([footage], tmp_path / "library", model=weights, num_workers=1)
    result = index(job, unheard, stop)
    assert time.monotonic() - stopped_at[0] < 5
    assert (result.stopped, result.num_indexed, result.failures) == (True, 0, ())
