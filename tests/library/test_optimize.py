"""A library with an index: what is found stays right whatever becomes of the library. Truth: search without one."""

import dataclasses
import shutil

import numpy as np
import pytest

from avsearch.catalog import IndexedMedia
from avsearch.errors import LibraryError, UsageError
from avsearch.library import Batch, compact, nearby, open_library, open_nearby, remove, verify
from avsearch.library.lock import write_lock
from avsearch.library.optimize import optimize
from avsearch.moments import MediaInfo, MediaKind, Modality, Silent
from avsearch.query import Query
from avsearch.query.ranking import Mapped, Ranking
from avsearch.query.stages import Stages
from avsearch.vectors import Rows
from avsearch.vectors.ann import choosing, kinds
from avsearch.vectors.ann.choosing import Wanted
from tests.vectors.ann.made import clustered

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO
SECOND_US = 1_000_000


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    """A few thousand rows count as many, and no time is too long."""
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 500)
    monkeypatch.setattr(choosing, "WORTH", 0.0)


@pytest.fixture
def add(library, weights, footage):
    """Publish media with ten moments of each modality."""

    def publish(*names, seed=0):
        rng = np.random.default_rng(seed)
        info = MediaInfo(MediaKind.SOUND, 10 * SECOND_US, 0, "wav", video=None, audio=None)
        with library.writer() as writer:
            writer.use_encoder(weights)
            root = writer.catalog.add_root(footage).id
            ids = list(writer.reserve_media_ids(len(names)))
            rows = {
                side: Rows(
                    clustered(rng, 10 * len(ids), dim=4),
                    np.repeat(np.array(ids, np.int64), 10),
                    np.tile(np.arange(10) * SECOND_US, len(ids)),
                )
                for side in Modality
            }
            media = tuple(IndexedMedia(own, name, info) for own, name in zip(ids, names, strict=True))
            files = tuple(file(root, it) for it in media)
            writer.publish(Batch(media=media, rows=rows, files=files))

    return publish


def file(root, media):
    from avsearch.catalog import FileState, State

    return FileState(root, media.content_hash.encode(), 100, 1, State.INDEXED, "", media.id)


@pytest.fixture
def filled(library, add):
    add(*(f"a{at}" for at in range(100)), seed=1)
    add(*(f"b{at}" for at in range(60)), seed=2)
    return library


@pytest.fixture
def optimized(filled):
    optimize(filled, Wanted(0.9), progress=Silent())
    return filled


def answers(library, *, exact, k=20):
    """Moment ids of hits for some stored moments, by the index or without."""
    view = library.view(*Modality)
    mapped = {side: Mapped(segments) for side, segments in view.segments.items()}
    near = open_nearby(library, view, *Modality)
    ranking = Ranking(library, view, mapped, near)
    found = []
    for find in Modality:
        vector_of = vectors(view.segments[find])
        for vector in view.segments[find][0].vector[:40:8]:
            query = Query(find, (), k=k, duplicates=True, exact=exact)
            hits = ranking.rank(vector, query, view.snapshot.live_media_ids, Stages()).hits
            scores = [vector_of[hit.media_id, round(hit.start_s * SECOND_US)] @ vector for hit in hits]
            np.testing.assert_allclose([hit.score for hit in hits], scores, atol=1e-5)
            found.append([hit.moment_id for hit in hits])
    return found, near


def vectors(segments):
    """(media id, time) -> vector."""
    return {
        moment: vector
        for rows in segments
        for *moment, vector in zip(rows.media_id.tolist(), rows.start_us.tolist(), rows.vector, strict=True)
        for moment in [tuple(moment)]
    }


def agree(library, *, sides=2, least=0.8):
    """With the index about the same is found as without; how many modalities have one."""
    found, near = answers(library, exact=False)
    truth, _ = answers(library, exact=True)
    assert len(near) == sides
    assert [len(it) for it in found] == [len(it) for it in truth]
    shared = [len(set(one) & set(other)) / len(other) for one, other in zip(found, truth, strict=True)]
    assert np.mean(shared) >= least
    return found


def test_an_index_is_written_for_each_modality_and_finds_what_exact_search_finds(filled):
    done = optimize(filled, Wanted(0.9), progress=Silent())
    assert set(done) == set(Modality)
    for find, it in done.items():
        assert set(it.record.measured.recall) == {f"image-{find}", f"audio-{find}"}
        assert it.record.measured.lowest_recall >= 0.9
        assert it.record.num_rows == 1600
        assert it.record.num_media == 160
    assert {find: it.record for find, it in nearby(filled).items()} == {
        find: it.record for find, it in done.items()
    }
    assert [(it.num_covered, it.num_rows) for it in nearby(filled).values()] == [(1600, 1600)] * 2
    assert verify(filled) == []
    agree(filled)


def test_what_is_indexed_later_is_found_beside_it(optimized, add):
    add("c0", "c1", seed=3)
    view = optimized.view(IMAGE)
    new = view.segments[IMAGE][-1]
    search = open_nearby(optimized, view, IMAGE)[IMAGE]
    found = search.nearest(new.vector[:5], 3)
    assert found.media_id[:, 0].tolist() == new.media_id[:5].tolist()
    assert found.start_us[:, 0].tolist() == new.start_us[:5].tolist()
    assert [it.num_covered for it in nearby(optimized).values()] == [1600, 1600]
    assert [it.num_rows for it in nearby(optimized).values()] == [1620, 1620]
    agree(optimized)


def test_what_is_removed_is_found_no_more(optimized, footage):
    before = {int(it.split(":")[0]) for hits in agree(optimized) for it in hits}
    remove(optimized, [str(footage / f"a{at}") for at in range(30)])
    found = {int(it.split(":")[0]) for hits in agree(optimized) for it in hits}
    live = set(optimized.snapshot().live_media_ids.tolist())
    assert before - live
    assert found <= live


def test_compacting_leaves_nothing_stale_in_use(optimized, footage):
    remove(optimized, [str(footage / "b3")])
    compact(optimized, Silent())
    again = open_library(optimized.directory)
    agree(again, sides=len(nearby(again)))
    assert verify(again) == []
    optimize(again, Wanted(0.9), progress=Silent())
    assert [(it.num_covered, it.num_rows) for it in nearby(again).values()] == [(1590, 1590)] * 2


def test_an_index_half_of_which_was_compacted_away_serves_for_the_other_half(optimized, monkeypatch, footage):
    from avsearch.library import compaction

    monkeypatch.setattr(compaction, "MIN_BYTES", 1)  # no segment is small; those with dead rows are written anew
    remove(optimized, [str(footage / "b3")])
    compact(optimized, Silent())
    again = open_library(optimized.directory)
    assert [(it.num_covered, it.num_rows) for it in nearby(again).values()] == [(1000, 1590)] * 2
    assert verify(again) == []
    agree(again)


def test_another_encoder_does_without_the_index_of_the_old_one(optimized, make_weights, tmp_path, caplog):
    new = make_weights(tmp_path / "new.safetensors", seed=1)
    with optimized.writer() as writer:
        encoder = writer.begin_reembed(new)
        media_ids = optimized.snapshot().live_media_ids.tolist()
        rows = {side: merged(optimized, side) for side in Modality}
        writer.publish_rows(encoder, rows, media_ids=media_ids)
        writer.switch_encoder(encoder)
    agree(optimized, sides=0, least=1.0)
    assert not caplog.records
    assert nearby(optimized) == {}
    assert verify(optimized) == []


def merged(library, side):
    from avsearch.vectors import merge_rows

    view = library.view(side)
    rows = merge_rows(view.segments[side], view.snapshot.live_media_ids)
    return dataclasses.replace(rows, vector=rows.vector[::-1].copy())


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted", "other record"])
def test_a_damaged_index_is_told_about_and_search_is_exact(optimized, caplog, damage):
    record = nearby(optimized)[IMAGE].record
    path = optimized.layout.ann / record.file
    data = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif damage == "truncated":
        path.write_bytes(data[:-1])
    elif damage == "deleted":
        path.unlink()
    else:
        shutil.copy(optimized.layout.ann / "audio.json", optimized.layout.ann / "image.json")
    agree(optimized, sides=1)
    assert "Search is exact" in caplog.text
    assert "avsearch library optimize" in caplog.text
    (problem,) = verify(optimized)
    assert "ann" in str(problem)
    assert "avsearch library optimize" in str(problem)
    optimize(optimized, Wanted(0.9), progress=Silent())
    assert verify(optimized) == []
    agree(optimized)


def test_the_folder_may_be_deleted_at_any_time(optimized):
    shutil.rmtree(optimized.layout.ann)
    agree(optimized, sides=0, least=1.0)
    assert verify(optimized) == []


def test_an_index_of_nothing_that_is_there_any_more_is_told_by_verify(optimized, tmp_path):
    kept = shutil.copytree(optimized.layout.ann, tmp_path / "kept")
    compact(optimized, Silent())
    again = open_library(optimized.directory)
    assert nearby(again) == {}
    shutil.rmtree(again.layout.ann)
    shutil.copytree(kept, again.layout.ann)
    problems = verify(again)
    assert len(problems) == 2
    assert all("nothing that is searched" in str(it) for it in problems)


def test_where_exact_search_is_as_fast_an_index_is_taken_away(optimized, monkeypatch):
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 10**6)
    done = optimize(optimized, Wanted(0.9), progress=Silent())
    assert [it.record for it in done.values()] == [None, None]
    assert all("exact search stays" in it.tried[-1] for it in done.values())
    assert [path.name for path in optimized.layout.ann.iterdir()] == ["writer.lock"]
    agree(optimized, sides=0, least=1.0)


def test_two_do_not_optimize_at_once_but_others_may_write(optimized, add):
    with write_lock(optimized.layout.ann), pytest.raises(LibraryError, match="another"):
        optimize(optimized, Wanted(), progress=Silent())

    class Adding(Silent):
        added = False

        def stage(self, *_told):
            if not self.added:
                self.added = True
                add("later", seed=5)

    optimize(optimized, Wanted(0.9), progress=Adding())
    assert [(it.num_covered, it.num_rows) for it in nearby(optimized).values()] == [(1600, 1610)] * 2
    agree(optimized)


def test_what_cannot_be_optimized_is_said(library):
    with pytest.raises(LibraryError, match="nothing has been indexed"):
        optimize(library, Wanted(), progress=Silent())
    for wanted in (Wanted(0.0), Wanted(1.5), Wanted(0.9, 0)):
        with pytest.raises(UsageError, match="recall"):
            optimize(library, wanted, progress=Silent())
