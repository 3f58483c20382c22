"""The command itself, on every file of other projects' media test suites."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avsearch.library import open_library, verify
from tests.media.test_probe_robust import FAILING, NOT_DECODED_HERE
from tests.tiny import tiny_weights

ROOT = Path(__file__).parents[2]
LONGEST_S = 240.0
UNSPECIFIC = ("ended with status", "giving no reason", "nothing in it can be decoded", "Error marking filters")


@pytest.fixture(scope="module")
def run(shared_data, tmp_path_factory):
    """(events, exit code, library) of `avsearch index` on the whole folder."""
    folder = tmp_path_factory.mktemp("robust")
    weights = tiny_weights(folder / "encoder.safetensors")
    command = [sys.executable, "-m", "avsearch", "index", shared_data / "robust", "--json"]
    command += ["--library", folder / "lib", "--model", weights]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, folder / "lib"


@pytest.mark.slow
def test_every_file_ends_indexed_or_failed(run, shared_data):
    events, code, _ = run
    there = {path for path in (shared_data / "robust").rglob("*.*") if path.name not in {"files.csv", "SOURCES.md"}}
    ended = [event for event in events if event["event"] == "file"]
    assert sorted(event["path"] for event in ended) == sorted(str(path.resolve()) for path in there)
    assert {event["state"] for event in ended} == {"indexed", "failed"}
    assert (events[-1]["event"], code) == ("done", 3)


@pytest.mark.slow
def test_every_failure_has_a_reason_of_its_own(run):
    failed = {Path(event["path"]).name: event for event in run[0] if event.get("state") == "failed"}
    expected = FAILING | {name: reason for name, reason in NOT_DECODED_HERE.items() if name in failed}
    assert failed.keys() == expected.keys()
    for name, event in failed.items():
        assert event["reason"].startswith(expected[name])
        assert event["path"] not in event["reason"]
        assert not any(words in event["reason"] for words in UNSPECIFIC)


@pytest.mark.slow
def test_what_is_indexed_has_moments_or_says_that_it_is_silent_or_still(run):
    for event in run[0]:
        if event.get("state") == "indexed":
            assert event["images"] + event["sounds"] + event["silent"] + event["still"] > 0, event["path"]


@pytest.mark.slow
def test_sound_that_cannot_be_read_is_said_beside_the_pictures_that_can(run):
    (event,) = [event for event in run[0] if event.get("path", "").endswith("media__sample_missing_stsd.mp4")]
    assert (event["state"], event["images"], event["sounds"]) == ("indexed", 1, 0)
    assert event["reason"] == "Its sounds are coded in a way that the header does not name."


@pytest.mark.slow
def test_the_library_that_comes_of_it_is_whole(run):
    assert verify(open_library(run[2])) == []
