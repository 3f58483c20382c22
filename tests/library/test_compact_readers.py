"""Readers while a library is compacted: the same answers, from old files or new ones."""

import threading

import pytest

from avsearch.errors import LibraryError
from avsearch.library import compaction, open_library, remove
from avsearch.moments import Modality
from avsearch.query import nearest_hits
from tests.library.stored import compacted, moments, named_segments


def test_a_reader_that_has_its_rows_keeps_them_and_a_new_look_sees_the_new_files(thinned):
    reader = open_library(thinned.directory)
    view = reader.view(*Modality)
    query = view.segments[Modality.IMAGE][0].vector[0]
    before = nearest_hits(reader, view, query, find=Modality.AUDIO, k=30)
    compacted(thinned)
    assert nearest_hits(reader, view, query, find=Modality.AUDIO, k=30) == before
    assert len(reader.view(Modality.AUDIO).segments[Modality.AUDIO]) == 1


def test_a_reader_whose_snapshot_names_files_that_were_compacted_takes_another(thinned, monkeypatch):
    reader = open_library(thinned.directory)
    before, old = moments(thinned), reader.snapshot()
    compacted(thinned)
    with pytest.raises(LibraryError, match="No such file"):
        reader.segments(old, Modality.IMAGE)
    newer = reader.snapshot
    snapshots = iter([old])
    monkeypatch.setattr(reader, "snapshot", lambda: next(snapshots, None) or newer())
    assert moments(reader) == before


def test_a_segment_that_is_missing_though_the_catalog_names_it_is_an_error(commits):
    record = commits.snapshot().segments[0]
    (commits.layout.shelf.folder / record.name).unlink()
    with pytest.raises(LibraryError, match=rf"{record.name}.*No such file"):
        commits.view(record.modality)


def test_the_view_lets_go_of_rows_that_no_longer_count(commits):
    commits.view(*Modality)
    compacted(commits)
    commits.view(*Modality)
    assert set(commits._mapped) == named_segments(commits)


def test_readers_get_the_same_answers_all_the_while(thinned, monkeypatch):
    """Segments are replaced two at a time, over many commits, while another thread looks again and again."""
    monkeypatch.setattr(compaction, "MIN_BYTES", 600)
    monkeypatch.setattr(compaction, "MAX_BYTES", 1000)
    expected, wrong, looks, done = moments(thinned), [], [], threading.Event()

    def look():
        while not done.is_set() or not looks:
            looks.append(1)
            if moments(open_library(thinned.directory)) != expected:
                wrong.append(1)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for _ in range(5):
            compacted(thinned)
    finally:
        done.set()
        reader.join()
    assert wrong == []
    assert looks


def test_a_hit_that_is_removed_while_one_searches_is_left_out_and_the_next_one_takes_its_place(commits, footage):
    view = commits.view(*Modality)
    query = view.segments[Modality.IMAGE][3].vector[0]
    first, second = nearest_hits(commits, view, query, find=Modality.IMAGE, k=2)
    remove(commits, [str(first.path)])
    assert [hit.media_id for hit in nearest_hits(commits, view, query, find=Modality.IMAGE, k=1)] == [
        second.media_id
    ]
    compacted(commits)
    assert [hit.media_id for hit in nearest_hits(commits, view, query, find=Modality.IMAGE, k=1)] == [
        second.media_id
    ]
