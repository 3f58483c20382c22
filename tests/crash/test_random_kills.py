"""`kill -9` at random instants: ten of them, or as many as AVSEARCH_KILLS says (a hundred in `make check-long`)."""

import random
import shutil
import subprocess
import time

import pytest

from avsearch.library import open_library
from tests.crash.running import KILLED, assert_same, assert_sound, contents, is_made, running_on, started

SEED = 3
MOST_TIMES = 20
OFTEN = {"commit_every_s": 0.2}


def wait_until_nothing_runs(folder, *, at_most_s=20):
    end = time.monotonic() + at_most_s
    while running := running_on(folder):
        assert time.monotonic() < end, running
        time.sleep(0.05)


def run_and_kill(words, after_s):
    """Whether the run was still going on when it was killed."""
    with started(*words, settings=OFTEN) as process:
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert process.returncode in (0, KILLED)
    return process.returncode == KILLED


def came_between_commits(instants):
    """Whether a kill left a library with a part of the clips."""
    return any(0 < part < 1 for part in instants)


@pytest.fixture(scope="module")
def usual_s(clips, weights, tmp_path_factory):
    """How long a run takes that nobody disturbs, from starting Python on."""
    began = time.monotonic()
    library = tmp_path_factory.mktemp("usual") / "library"
    assert not run_and_kill(["index", clips, "--library", library, "--model", weights], after_s=240)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_library_survives_kills_at_random_instants_and_ends_as_if_there_had_been_none(
    clips, weights, all_of_clips, num_kills, usual_s, tmp_path
):
    """Each library is killed until a run over it completes; there are as many libraries as it takes.

    On a busy machine ten kills may all come before a first commit: then there are more of them.
    """
    rng = random.Random(SEED)
    kills_of_library, kills, instants = [], 0, []
    while kills < num_kills or (not came_between_commits(instants) and kills < MOST_TIMES * num_kills):
        library = tmp_path / f"{len(kills_of_library)}"
        words = ["index", clips, "--library", library, "--model", weights]
        kills_of_library.append(0)
        while run_and_kill(words, rng.uniform(0, usual_s)):
            kills += 1
            kills_of_library[-1] += 1
            if is_made(library):
                instants.append(len(assert_sound(library, all_of_clips)) / len(all_of_clips))
            wait_until_nothing_runs(clips)
        assert_same(contents(open_library(library)), all_of_clips)
        shutil.rmtree(library)
    assert came_between_commits(instants), f"no kill came between two commits: {instants}"
