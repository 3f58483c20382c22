"""Several runs at once over one library whose catalog is on a server: killed, hung, and undisturbed."""

import json
import random
import time
from collections import Counter

import pytest

from avsearch.library import create_library, open_library, orphans, verify
from tests.crash.running import KILLED, assert_same, assert_sound, committed, contents
from tests.postgres import new_database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SEED = 7
MOST_S = 4.0  # a run's length, or so
MOST_TIMES = 20
OFTEN = {"commit_every_s": 0.2}


@pytest.fixture
def library(tmp_path, postgres_database):
    """An empty one."""
    return create_library(tmp_path / "library", database_url=postgres_database)


@pytest.fixture
def words(library, clips, weights):
    return ["index", clips, "--library", library.directory, "--model", weights, "--json"]


def done(run):
    """What a run that must have ended well says last."""
    said, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors
    assert "Traceback" not in errors
    return json.loads(said.splitlines()[-1])


def begun(run):
    """Read the events of a run up to that which says what there is to read."""
    for line in run.stdout:
        if json.loads(line)["event"] == "found":
            return


def assert_each_once(library, expected):
    """One file and one media for each content, and all moments once; nothing is left over or leased."""
    assert_same(contents(library), expected)
    assert verify(library) == orphans(library) == []
    files = [state for root in library.catalog.roots() for state in library.catalog.files_of(root.id).values()]
    media_ids = Counter(state.media_id for state in files)
    assert set(media_ids.values()) == {1}
    assert len(media_ids) == len({content_hash for content_hash, _, _ in expected})
    assert library.catalog.status().indexers == ()


def test_two_runs_over_the_same_folder_share_its_files(start, library, words, all_of_clips):
    runs = [start(*words, settings=OFTEN) for _ in range(2)]
    results = [done(run) for run in runs]
    num_files = len({content_hash for content_hash, _, _ in all_of_clips})
    assert sum(result["indexed"] for result in results) == num_files
    assert [result["indexed"] + result["elsewhere"] + result["unchanged"] for result in results] == [num_files] * 2
    assert_each_once(library, all_of_clips)
    assert [result["failed"] for result in results] == [[], []]


def test_of_two_first_runs_with_two_models_one_indexes_and_the_other_says_why_not(
    start, clips, weights, other_weights, all_of_clips, undisturbed, postgres_database, tmp_path
):
    """They make the library at the same time as well."""
    words = ["index", clips, "--library", tmp_path / "library", "--database", postgres_database, "--model"]
    runs = [start(*words, model, settings=OFTEN) for model in (weights, other_weights)]
    said = [run.communicate(timeout=240)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], said
    won = [run.returncode for run in runs].index(0)
    assert "is not the encoder that made this library's vectors" in said[1 - won]
    assert "Traceback" not in said[1 - won]
    expected = all_of_clips if won == 0 else undisturbed(clips, model=other_weights)
    assert_sound(tmp_path / "library", expected)
    assert_each_once(open_library(tmp_path / "library"), expected)


@pytest.mark.timeout(3600)
def test_when_one_of_two_is_killed_at_any_instant_the_other_does_its_work_and_nothing_stands_twice(
    start, clips, weights, all_of_clips, num_kills, postgres_url, tmp_path
):
    """A third as many kills as elsewhere: each has a library of its own, and a run that lives to its end."""
    rng, kills, instants = random.Random(SEED), 0, []
    while kills < max(num_kills // 3, 2):
        with new_database(postgres_url) as url:
            library = create_library(tmp_path / f"{len(instants)}", database_url=url)
            words = ["index", clips, "--library", library.directory, "--model", weights, "--json"]
            survivor, victim = (start(*words, settings=OFTEN) for _ in range(2))
            begun(victim)
            time.sleep(rng.uniform(0, MOST_S))
            victim.kill()
            victim.communicate()
            instants.append(len(contents(library)) / len(all_of_clips))
            kills += victim.returncode == KILLED
            assert done(survivor)["failed"] == []
            assert_sound(library.directory, all_of_clips)
            assert_each_once(library, all_of_clips)
        assert len(instants) < MOST_TIMES * num_kills, f"runs end too soon to be killed: {instants}"


def test_a_run_that_hangs_loses_its_files_to_another_and_publishes_none_of_them_when_it_wakes(
    start, library, words, all_of_clips, tmp_path
):
    """It stands still after its first commit, and says no more that it is there."""
    hung = start(
        *words,
        settings={"commit_every_s": 0, "hold": str(tmp_path / "go-on"), "lease_s": 3.0, "is_silent": True},
    )
    committed(hung)
    before = len(contents(library))
    other = done(start(*words, settings={**OFTEN, "lease_s": 3.0}))
    assert other["indexed"] > 0
    assert before < len(contents(library))
    after = library.snapshot()
    assert_same(contents(library), all_of_clips)
    (tmp_path / "go-on").touch()
    result = done(hung)
    assert result["indexed"] + result["elsewhere"] == other["unchanged"] + other["indexed"] + other["elsewhere"]
    assert result["elsewhere"] > 0
    assert library.snapshot().segments == after.segments
    assert_each_once(library, all_of_clips)


def test_a_run_that_finds_only_files_in_other_hands_waits_for_them_and_says_so(
    start, library, words, all_of_clips, tmp_path
):
    """The first one has claimed everything by the time that the second one comes; then it is killed."""
    first = start(*words, settings={"commit_every_s": 0, "hold": str(tmp_path / "go-on")})
    committed(first)
    while len(list_leased(library)) + len(known_files(library)) < len({it[0] for it in all_of_clips}):
        time.sleep(0.1)
    second = start(*words, settings=OFTEN)
    for line in second.stdout:
        event = json.loads(line)
        if event["event"] == "elsewhere":
            break
    assert event["files"] == sum(list_leased(library))
    assert [f"process {first.pid}" in name for name in event["indexers"]] == [True]
    first.kill()
    result = done(second)
    assert result["indexed"] == event["files"]
    assert_sound(library.directory, all_of_clips)
    assert_each_once(library, all_of_clips)


def list_leased(library):
    """For each indexer, one entry a file in hand."""
    return [1 for one in library.catalog.status().indexers for _ in range(one.num_files)]


def known_files(library):
    return [path for root in library.catalog.roots() for path in library.catalog.files_of(root.id)]


def test_what_needs_the_library_for_itself_is_refused_while_two_index_and_says_who_does(
    nursery, start, library, words, clips, all_of_clips, tmp_path
):
    hold = {"commit_every_s": 0, "hold": str(tmp_path / "go-on")}
    runs = [start(*words, settings=hold)]
    committed(runs[0])
    sentence = f"an indexer is at work on this library (index, process {runs[0].pid} on"
    for command in (["compact"], ["remove", clips], ["repair"]):
        printed = nursery.complete("library", *command, "--library", library.directory, code=1)
        assert sentence in printed
        assert printed.splitlines()[-1].startswith("Wait until that is done, or stop it with Ctrl-C")
    shown = nursery.complete("library", "status", "--library", library.directory)
    assert f"index, process {runs[0].pid} on" in shown
    status = json.loads(nursery.complete("library", "status", "--library", library.directory, "--json"))
    assert [f"process {runs[0].pid}" in one["name"] for one in status["indexers"]] == [True]
    (tmp_path / "go-on").touch()
    done(runs[0])
    nursery.complete("library", "compact", "--library", library.directory)
    assert_each_once(library, all_of_clips)
