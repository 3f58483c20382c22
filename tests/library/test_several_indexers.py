"""Several indexers at once over one library: no moment twice, no lost update, nothing swept that is in hand."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from avsearch.catalog import FileState, State, claims
from avsearch.errors import LibraryError
from avsearch.library import (
    Batch,
    compact,
    create_library,
    open_library,
    orphans,
    relink,
    remove,
    upgrade_library,
    verify,
)
from avsearch.library.writer import write_new_segment
from avsearch.moments import Modality, Silent
from tests.library import adding
from tests.library.adding import (
    Found,
    assert_all_known_once,
    batch_of,
    content_of,
    found_below,
    make_footage,
    publish,
    rows_of,
)
from tests.library.stored import files, moments

pytestmark = pytest.mark.postgres

ADDING = Path(__file__).with_name("adding.py")
NUM_PROCESSES = 4


@pytest.fixture
def library(tmp_path, postgres_database):
    return create_library(tmp_path / "library", database_url=postgres_database)


@pytest.fixture
def several(library, weights):
    with ExitStack() as sessions:

        def begin(number):
            writers = [sessions.enter_context(open_library(library.directory).indexer()) for _ in range(number)]
            for writer in writers:
                writer.use_encoder(weights)
            return writers

        yield begin


@pytest.fixture
def paths(tmp_path):
    return make_footage(tmp_path / "footage")


@pytest.fixture
def expire(postgres_database):
    """Let as much time pass, for all who are at work, as no lease lasts."""

    def let_time_pass():
        with psycopg.connect(postgres_database) as connection:
            connection.execute("UPDATE indexer SET expires_at_us = expires_at_us - %s", [2 * claims.LEASE_S * 1e6])

    return let_time_pass


@pytest.mark.slow
def test_processes_that_add_the_same_files_at_once_end_with_each_content_once(library, weights, tmp_path):
    make_footage(tmp_path / "footage")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, ADDING, library.directory, weights, tmp_path / "footage"]
    running = [
        subprocess.Popen([*words, str(seed)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for seed in range(NUM_PROCESSES)
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * NUM_PROCESSES, ended
    did = [json.loads(said) for (said, _), _ in ended]
    assert sum(one["published"] for one in did) == adding.NUM_FILES
    assert max(Counter(media_id for one in did for media_id in one["reserved"]).values()) == 1
    assert verify(library) == orphans(library) == []
    assert_all_known_once(library, tmp_path / "footage")


def test_a_file_is_leased_by_one_indexer_at_a_time_and_others_learn_who_has_it(several, paths, tmp_path):
    one, other = several(2)
    mine = found_below(one, tmp_path / "footage", paths[:3])
    assert one.catalog.claim(mine).ours == one.catalog.claim(mine).ours == set(paths[:3])
    theirs = found_below(other, tmp_path / "footage", paths[:4])
    assert other.catalog.claim(theirs).ours == {paths[3]}
    assert set(other.catalog.in_other_hands(theirs)) == set(paths[:3])
    assert all(f"index, process {os.getpid()} on" in name for name in other.catalog.in_other_hands(theirs).values())
    assert publish(one, mine) == frozenset()
    assert other.catalog.in_other_hands(theirs) == {}
    claim = other.catalog.claim(theirs)
    assert (set(claim.ours), set(claim.done)) == ({paths[3]}, set(paths[:3]))
    changed = [Found(theirs[0].root, paths[0], size_bytes=101)]
    assert other.catalog.claim(changed).ours == {paths[0]}


def test_two_who_read_the_same_content_at_once_end_with_one_media_and_one_set_of_vectors(
    several, library, paths, tmp_path
):
    one, other = several(2)
    pairs = [(one, found_below(one, tmp_path / "footage", [paths[0]]), 1)]
    pairs.append((other, found_below(other, tmp_path / "footage", [paths[7]]), 2))
    batches = []
    for writer, found, seed in pairs:
        assert writer.catalog.claim(found).ours == {found[0].path}
        batches.append(batch_of(found, writer.reserve_media_ids(1), seed))
    for (writer, _, _), batch in zip(pairs, batches, strict=True):
        assert writer.publish(batch) == frozenset()
    assert {media_id for _, _, media_id in files(library)} == {1}
    assert len(moments(library)) == 4
    assert library.catalog.media_records([1])[1].labels == ("label 00", "label 07")
    assert verify(library) == orphans(library) == []


def test_one_who_was_overtaken_between_looking_and_committing_looks_again(
    several, library, paths, tmp_path, monkeypatch
):
    one, other = several(2)
    mine, theirs = (
        found_below(it, tmp_path / "footage", [path]) for it, path in ((one, paths[0]), (other, paths[7]))
    )
    one.catalog.claim(mine)
    other.catalog.claim(theirs)
    genuine, num_tries = one.catalog.publish, []

    def publish_later(publication, basis):
        if not num_tries:
            assert len(publication.segments) == 2
            publish(other, theirs)
        num_tries.append(genuine(publication, basis))
        return num_tries[-1]

    monkeypatch.setattr(one.catalog, "publish", publish_later)
    publish(one, mine)
    assert num_tries == [False, True]
    assert len(moments(library)) == 4
    assert verify(library) == orphans(library) == []


def test_one_whose_leases_ran_out_changes_nothing_of_what_others_took_over(
    several, library, paths, tmp_path, expire
):
    one, other = several(2)
    mine = found_below(one, tmp_path / "footage", paths[:2])
    one.catalog.claim(mine)
    expire()
    other.catalog.sign_in()
    root = other.catalog.add_root(tmp_path / "footage")
    newer = [Found(root, paths[0], size_bytes=101)]
    assert other.catalog.claim(newer).ours == {paths[0]}
    lost = publish(one, mine)
    assert lost == {(mine[0].root.id, mine[0].root.relative(path)) for path in paths[:2]}
    assert files(library) == []
    assert library.catalog.media_by_hash(map(content_of, paths)) == {}
    assert one.catalog.claim(mine).ours == {paths[1]}
    publish(one, mine[1:])
    publish(other, newer)
    assert [path for path, _, _ in files(library)] == sorted(paths[:2])
    assert verify(library) == orphans(library) == []


def test_a_root_that_becomes_part_of_another_takes_along_what_others_are_reading_in_it(
    several, library, paths, tmp_path
):
    one, other = several(2)
    deep = [path for path in paths if path.parent.name == "est"][:2]
    mine = found_below(one, deep[0].parent, deep)
    one.catalog.claim(mine)
    outer = other.catalog.add_root(tmp_path / "footage")
    assert other.catalog.roots() == (outer,)
    publish(one, mine)
    assert [path for path, _, _ in files(library)] == sorted(deep)
    one.catalog.update_files([state for _, state in library.catalog.files_at(str(deep[0]))])
    assert verify(library) == []


def test_a_segment_that_another_one_has_written_and_not_committed_yet_is_not_swept_until_he_is_dead(
    several, library, postgres_database
):
    [one] = several(1)
    encoder = library.catalog.active_encoder()
    rows = rows_of([1], np.random.default_rng(0))
    left = write_new_segment(library.layout, rows, modality=Modality.IMAGE, fingerprint=encoder.fingerprint)
    path = library.layout.shelf.folder / left.record.name
    taking_in = library.layout.encoders / f"{'0' * 32}.safetensors.aside.partial"
    taking_in.touch()
    with library.indexer():
        assert path.exists()
        assert taking_in.exists()
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'index, %'"
        assert connection.execute(end).fetchall() == [(True,)]
    with library.indexer():
        assert not path.exists()
        assert not taking_in.exists()
    with pytest.raises(LibraryError, match="connection to the database was lost"):
        one.reserve_media_ids(1)


@pytest.mark.parametrize("number", [1, 2])
def test_what_has_to_be_alone_is_refused_while_others_index_and_says_who_they_are(
    several, library, number, tmp_path, paths
):
    several(number)
    name = rf"index, process {os.getpid()} on [^;)]+"
    who = "an indexer is" if number == 1 else "2 indexers are"
    busy = rf"{who} at work on this library \({'; '.join([name] * number)}\)\. Wait until that is done, or stop it"
    for attempt in (
        lambda: compact(library, Silent()),
        lambda: remove(library, [str(paths[0])]),
        lambda: relink(library, tmp_path / "footage", tmp_path),
        lambda: upgrade_library(library.directory),
    ):
        with pytest.raises(LibraryError, match=busy):
            attempt()


def test_no_indexer_begins_while_somebody_has_the_library_for_himself(library):
    busy = (
        rf"another avsearch writes to this library \(compact, process {os.getpid()} on .+\)\. Wait until it is done"
    )
    with library.writer("compact"), pytest.raises(LibraryError, match=busy), library.indexer():
        pass
    with library.indexer():
        pass


def test_an_encoder_is_not_replaced_while_others_may_be_making_vectors_with_it(
    several, library, make_weights, tmp_path
):
    [one] = several(1)
    other = make_weights(tmp_path / "other.safetensors", seed=1)
    with (
        library.indexer() as second,
        pytest.raises(LibraryError, match="is not the encoder that made this library's"),
    ):
        second.use_encoder(other)
    assert library.catalog.active_encoder() == one.catalog.active_encoder()


def test_a_file_that_one_missed_and_another_has_found_changed_is_not_marked_as_missing(
    several, library, paths, tmp_path
):
    one, other = several(2)
    found = found_below(one, tmp_path / "footage", paths[:2])
    one.catalog.claim(found)
    publish(one, found)
    before = [library.catalog.files_at(str(path))[0][1] for path in paths[:2]]
    newer = [Found(other.catalog.add_root(tmp_path / "footage"), paths[0], size_bytes=101)]
    other.catalog.claim(newer)
    publish(other, newer)
    one.catalog.update_files([replace(state, state=State.MISSING) for state in before])
    states = {path: state for path, state, _ in files(library)}
    assert states == {paths[0]: State.INDEXED, paths[1]: State.MISSING}


def test_a_file_that_another_one_failed_to_read_is_dealt_with_unless_failed_ones_are_tried_again(
    several, paths, tmp_path
):
    one, other = several(2)
    found = found_below(one, tmp_path / "footage", paths[:1])
    one.catalog.claim(found)
    place = (found[0].root.id, found[0].root.relative(paths[0]))
    one.publish(Batch(files=(FileState(*place, 100, 1, State.FAILED, "is no film."),)))
    theirs = found_below(other, tmp_path / "footage", paths[:1])
    assert other.catalog.claim(theirs).done[paths[0]].reason == "is no film."
    assert other.catalog.claim(theirs).ours == frozenset()
    assert other.catalog.claim(theirs, retry_failed=True).ours == {paths[0]}


def test_the_status_counts_who_is_at_work_and_what_they_have_in_hand(several, library, paths, tmp_path, expire):
    assert library.catalog.status().indexers == ()
    one, _ = several(2)
    one.catalog.claim(found_below(one, tmp_path / "footage", paths[:3]))
    counted = library.catalog.status().indexers
    assert [indexer.num_files for indexer in counted] == [3, 0]
    assert all(indexer.name.startswith(f"index, process {os.getpid()} on ") for indexer in counted)
    expire()
    assert library.catalog.status().indexers == ()
