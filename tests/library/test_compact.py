"""Compacting: other files, the same moments; what nobody can find any more is gone."""

from itertools import pairwise

import numpy as np
import pytest

from avsearch.catalog import State
from avsearch.errors import LibraryError
from avsearch.library import compact, compaction, damaged_segments, open_library, remove, verify
from avsearch.moments import Modality, Silent
from tests.library.conftest import Maker
from tests.library.stored import answers, compacted, files, moments, named_segments, segment_files


def test_every_moment_keeps_its_id_and_its_vector_bit_for_bit(thinned):
    before, before_files = moments(thinned), files(thinned)
    compacted(thinned)
    assert moments(thinned) == before
    assert len(before) == 7 * 4
    assert [state for state in files(thinned) if state[1] is State.INDEXED] == [
        state for state in before_files if state[1] is State.INDEXED
    ]
    assert verify(thinned) == []


@pytest.mark.parametrize("k", [1, 3, 30])
def test_search_answers_as_before_also_where_hits_score_equally(thinned, k):
    before = answers(thinned, k=k)
    compacted(thinned)
    assert answers(thinned, k=k) == before
    assert answers(open_library(thinned.directory), k=k) == before
    assert len(before[0]) == min(k, 7)
    if k > 1:
        assert any(one.score == two.score for hits in before for one, two in pairwise(hits))


def test_small_segments_become_one_for_each_modality(commits):
    done = compacted(commits)
    assert (done.num_segments_before, done.num_segments_after) == (10, 2)
    assert done.bytes_after == sum(map(len, segment_files(commits).values())) < done.bytes_before
    assert named_segments(commits) == set(segment_files(commits))
    assert [len(rows) for rows in commits.view(Modality.IMAGE).segments[Modality.IMAGE]] == [20]


def test_what_was_removed_is_gone_from_segments_and_catalog(thinned):
    assert thinned.catalog.status().dead_moments == 3 * 4
    done = compacted(thinned)
    assert done.num_media_forgotten == 3
    status = thinned.catalog.status()
    assert (status.dead_moments, status.moments) == (0, {"image": 14, "audio": 14})
    assert thinned.catalog.reclaimable_media() == set()
    assert thinned.catalog.media_records([3, 4, 7]) == {}
    assert [media_id for _, state, media_id in files(thinned) if state is State.REMOVED] == [None] * 3
    for rows in thinned.view(*Modality).segments.values():
        assert not {3, 4, 7} & set(np.concatenate([some.media_id for some in rows]).tolist())


def test_segments_of_which_nothing_stays_go_without_a_successor(library, fill, footage):
    fill("a", "b")
    remove(library, [str(footage)])
    done = compacted(library)
    assert (done.num_segments_after, done.bytes_after, done.num_media_forgotten) == (0, 0, 2)
    assert segment_files(library) == {}
    assert verify(library) == []


def test_media_whose_files_are_missing_are_kept_for_when_they_come_back(commits, footage):
    before = moments(commits)
    with commits.writer() as writer:
        root = writer.catalog.roots()[0]
        known = writer.catalog.files_of(root.id)
        gone = Maker(writer, root.id).file(b"a2", known[b"a2"].media_id, State.MISSING)
        writer.catalog.set_files([gone])
    assert len(moments(commits)) == len(before) - 4
    assert compacted(commits).num_media_forgotten == 0
    with commits.writer() as writer:
        writer.catalog.set_files([known[b"a2"]])
    assert moments(commits) == before


def test_a_second_compact_touches_nothing(thinned):
    compacted(thinned)
    before = {path: path.stat().st_ino for path in (thinned.directory / "segments").iterdir()}
    done = compacted(thinned)
    assert {path: path.stat().st_ino for path in (thinned.directory / "segments").iterdir()} == before
    assert (done.num_segments_before, done.num_media_forgotten) == (done.num_segments_after, 0)


def test_an_empty_library_can_be_compacted(library):
    assert compacted(library) == compaction.Compacted(0, 0, 0, 0, 0)


def test_ids_are_not_given_out_again_after_all_media_are_forgotten(commits, footage):
    remove(commits, [str(footage)])
    assert compacted(commits).num_media_forgotten == 10
    with commits.writer() as writer:
        assert list(writer.reserve_media_ids(2)) == [11, 12]


def test_a_forgotten_content_that_comes_back_is_a_new_media(thinned, fill):
    compacted(thinned)
    fill("a1", seed=7)
    assert thinned.catalog.media_by_hash(["a1"]) == {"a1": 11}
    assert len(moments(thinned)) == 8 * 4
    assert verify(thinned) == []


def test_progress_counts_the_segments_that_are_written_anew(commits):
    class Recorder(Silent):
        def __init__(self):
            self.told = []

        def stage(self, name, total, unit):
            self.told.append((name, total, unit))

        def advance(self, amount=1, note=""):  # noqa: ARG002
            self.told.append(amount)

    recorder = Recorder()
    compact(commits, recorder)
    assert recorder.told == [("compact", 10, "segment"), 5, 5]


def test_a_damaged_segment_is_named_and_kept_for_repair(thinned):
    path = thinned.layout.shelf.folder / thinned.snapshot().segments[4].name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(LibraryError, match=rf"{path.name}.*damaged.*`avsearch library repair`, then compact"):
        compacted(thinned)
    assert path.read_bytes() == data
    assert [record.name for record in damaged_segments(thinned)] == [path.name]
