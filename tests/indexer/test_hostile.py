"""A whole run over a folder of attacks: nothing else is read, nobody is contacted, and what is good is indexed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avsearch.library import open_library, verify
from avsearch.media import decode, frames, intra, safety
from avsearch.moments import Modality
from tests.indexer.building import moments, run
from tests.media import attacks
from tests.media.clips import make_clip
from tests.media.test_hostile_pictures import progressive, tiff
from tests.media.test_hostile_sizes import fragment_that_claims, slow_film
from tests.media.test_hostile_times import film_with_a_jump, matroska_of_years, wav
from tests.tiny import make_film, tiny_weights

ROOT = Path(__file__).parents[2]
SECOND_US = 1_000_000
GOOD_NAMES = [
    "plain.mp4",
    "-i.mp4",
    "a:b.mp4",
    "concat:x|y.mp4",
    "new\nline.mp4",
    "%03d 'quo\"ted'.mp4",
    b"caf\xe9.mp4",
]
REFERRING = ["hls.mp4", "hls.mkv", "concat.mp4", "concat.mkv", "dash.mp4", "dash.mkv"]
CALLING = ["call.mp4", "call.mkv"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "encoder.safetensors")


def good_files(folder):
    """Films under names that are hard to handle; all contents differ."""
    for seed, name in enumerate(GOOD_NAMES):
        make_film(folder / "film.mp4", seed=seed, seconds=1).rename(folder / os.fsdecode(name))
    return {os.fsdecode(name) for name in GOOD_NAMES}


def playlists(folder, port):
    """Scripts under the names of films, that name films which are not indexed by themselves, or an address."""
    make_clip(folder / "decoy.ts", seconds=2).rename(folder / "decoy.mpegts")
    make_clip(folder / "decoy.mp4").rename(folder / "decoy.m4s")
    (folder / "decoy.tones.wav").unlink()
    write = {"hls": attacks.hls, "concat": attacks.ffconcat, "dash": attacks.dash}
    for name in REFERRING:
        kind = name.split(".")[0]
        write[kind](folder / name, "decoy.m4s" if kind == "dash" else "decoy.mpegts")
    attacks.hls(folder / "call.mp4", f"http://127.0.0.1:{port}/a.ts")
    attacks.dash(folder / "call.mkv", f"http://127.0.0.1:{port}/a.mp4")
    return {*REFERRING, *CALLING}


def special_files(folder):
    """What is no file, or is one with nothing in it."""
    os.mkfifo(folder / "pipe.mp4")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.mp4").symlink_to("/dev/zero")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "circle").symlink_to(".")
    (folder / "empty.mp4").touch()
    (folder / "words.mp4").write_text("just some words\n" * 100)
    return {"pipe.mp4", "pipe.jpg", "device.mp4", "loop.mp4", "empty.mp4", "words.mp4"}


def bombs(folder):
    """What swells or takes for ever."""
    attacks.film_of(folder / "wide.mkv", attacks.png(30_000, 8_000), "png_pipe")
    (folder / "wide.png").write_bytes(attacks.png(30_000, 8_000))
    (folder / "tiles.tif").write_bytes(tiff(8192, 8192, 300_000))
    (folder / "scans.jpg").write_bytes(progressive(512, 200))
    slow_film(folder / "slow.mkv")
    fragment_that_claims(folder / "swells.mp4", 20_000_000)
    (folder / "whole.mp4").unlink()
    wav(folder / "slow.wav", 1)
    return {"wide.mkv", "wide.png", "tiles.tif", "scans.jpg", "slow.mkv", "swells.mp4", "slow.wav"}


def liars(folder):
    """Good files with bad headers: indexed, with no moment beyond reason."""
    clip = make_clip(folder / "clip.mkv", seconds=2)
    matroska_of_years(folder / "years.mkv", clip)
    film_with_a_jump(folder / "jump.mkv", clip, 10 * 365 * 24 * 3600)
    for name in ("clip.mkv", "clip.tones.wav"):
        (folder / name).unlink()
    return {"years.mkv", "jump.mkv"}


def limits(monkeypatch, patience_s=3.0):
    """Small ones, so that the test is quick."""
    for module, name in ((decode, "TIMEOUT_S"), (intra, "TIMEOUT_S"), (frames, "DECODE_TIMEOUT_S")):
        monkeypatch.setattr(module, name, patience_s)
    monkeypatch.setattr(safety, "MEMORY_LIMIT_BYTES", 500 << 20)


@pytest.mark.slow
def test_a_folder_of_attacks_leaves_a_library_of_what_is_good(tmp_path, weights, monkeypatch):
    folder = tmp_path / "footage"
    folder.mkdir()
    limits(monkeypatch)
    with attacks.listener() as (port, heard):
        good = good_files(folder) | liars(folder)
        bad = playlists(folder, port) | special_files(folder) | bombs(folder)
        began = time.monotonic()
        with attacks.opened_names(folder) as opened:
            result = run(folder, tmp_path / "lib", model=weights)
        assert time.monotonic() - began < 60
        assert heard == []
    assert not opened & {"decoy.mpegts", "decoy.m4s", "pipe.mp4", "pipe.jpg", "device.mp4", "loop.mp4"}
    assert {failure.path.name for failure in result.failures} == bad
    assert all(failure.reason for failure in result.failures)
    images, sounds = (moments(tmp_path / "lib", modality) for modality in Modality)
    assert set(images) | set(sounds) == good
    assert max(map(max, [*images.values(), *sounds.values()])) < 3 * SECOND_US
    assert verify(open_library(tmp_path / "lib")) == []


def test_without_the_lists_of_what_ffmpeg_may_open_the_same_files_are_read(tmp_path, weights, monkeypatch):
    """That the test before is about attacks: the scripts are indexed as the films that they name."""
    folder = tmp_path / "footage"
    folder.mkdir()
    with attacks.listener() as (port, heard):
        playlists(folder, port)
        attacks.disarm(monkeypatch, protocol_whitelist=attacks.EVERY_PROTOCOL)
        with attacks.opened_names(folder) as opened:
            result = run(folder, tmp_path / "lib", model=weights)
        assert len(heard) >= len(CALLING)
    assert {"decoy.mpegts", "decoy.m4s"} <= opened
    assert {failure.path.name for failure in result.failures} == set(CALLING)
    assert result.num_indexed == len(REFERRING)


def test_a_file_that_turns_into_a_pipe_while_the_run_goes_on_is_a_failure(tmp_path, weights, monkeypatch):
    """After it was listed and looked at, and before it is opened."""
    folder = tmp_path / "footage"
    folder.mkdir()
    limits(monkeypatch)
    probe = sys.modules["avsearch.media.probe"]
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 1.0)
    make_film(folder / "good.mp4", seed=1, seconds=1)
    victim = make_film(folder / "victim.mp4", seed=2, seconds=1)
    require_file = probe.require_file

    def swap(path):
        require_file(path)
        if path == victim and victim.is_file():
            victim.unlink()
            os.mkfifo(victim)

    monkeypatch.setattr(probe, "require_file", swap)
    result = run(folder, tmp_path / "lib", model=weights)
    assert [failure.path.name for failure in result.failures] == ["victim.mp4"]
    assert set(moments(tmp_path / "lib", Modality.IMAGE)) == {"good.mp4"}


HANGS = "trap '' TERM; while :; do sleep 0.1; done"
FLOODS = "yes 'flood of errors' >&2"
FORKS = "sleep 100 & sleep 100"
CRASHES = "kill -SEGV $$"


SLOW = pytest.mark.slow  # as the first, at the level of a whole run; tests/media/test_runner.py has them all


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour",
    [HANGS, CRASHES, pytest.param(FLOODS, marks=SLOW), pytest.param(FORKS, marks=SLOW)],
    ids=["hangs", "crashes", "floods", "forks"],
)
def test_a_decoder_that_misbehaves_on_one_file_costs_that_file_only(tmp_path, weights, monkeypatch, behaviour):
    folder, programs = tmp_path / "footage", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    limits(monkeypatch, 1.5)
    make_film(folder / "good.mp4", seed=1, seconds=1)
    make_film(folder / "victim.mp4", seed=2, seconds=1)
    real = subprocess.run(["which", "ffmpeg"], capture_output=True, text=True, check=True).stdout.strip()
    (programs / "ffmpeg").write_text(f'#!/bin/bash\ncase "$*" in *victim*) {behaviour} ;; esac\nexec {real} "$@"\n')
    (programs / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    began = time.monotonic()
    result = run(folder, tmp_path / "lib", model=weights)
    assert time.monotonic() - began < 30
    assert [failure.path.name for failure in result.failures] == ["victim.mp4"]
    assert set(moments(tmp_path / "lib", Modality.IMAGE)) == {"good.mp4"}


@pytest.mark.slow
def test_the_command_tells_of_every_attack_in_one_line_and_ends_with_3(tmp_path, weights):
    folder = tmp_path / "footage"
    folder.mkdir()
    good = good_files(folder)
    bad = special_files(folder)
    command = [sys.executable, "-m", "avsearch", "index", folder, "--json", "--model", weights]
    command += ["--library", tmp_path / "lib"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)
    assert done.returncode == 3
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ended = {Path(event["path"]).name: event["state"] for event in events if event["event"] == "file"}
    assert {name for name, state in ended.items() if state == "failed"} == bad
    assert len([state for state in ended.values() if state == "indexed"]) == len(good)
    assert events[-1]["event"] == "done"
