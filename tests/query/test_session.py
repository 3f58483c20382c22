"""Whole questions. Truth: a plain float64 loop over all rows of a library of known vectors."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsearch import media
from avsearch.encoder import load_encoder
from avsearch.errors import LibraryError, UsageError
from avsearch.library import create_library, open_library, remove
from avsearch.moments import Box, Modality, Moment
from avsearch.query import Query, Source, Term, ask, open_session, parse_moment, parse_source
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import ffmpeg
from tests.query.test_stretches import plain
from tests.tiny import make_film, tiny_weights

IMAGE, AUDIO = Modality.IMAGE, Modality.AUDIO


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for seed in range(6):
        make_film(folder / f"film{seed}.mp4", seed=seed, seconds=4)
    return folder


@pytest.fixture(scope="module")
def place(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("library") / "lib"
    index(IndexJob([folder], place, model=tiny_weights(place.parent / "encoder.safetensors")), lambda _event: None)
    return place


@pytest.fixture(scope="module")
def library(place):
    return open_library(place)


@pytest.fixture(scope="module")
def session(library):
    return open_session(library, load_encoder(library.encoder_path(library.snapshot().encoder)))


def rows(library, modality):
    """All moments of a modality with their vectors."""
    found = {}
    for segment in library.view(modality).segments[modality]:
        for media_id, start_us, vector in zip(segment.media_id, segment.start_us, segment.vector, strict=True):
            found[Moment(int(media_id), modality, int(start_us))] = vector.astype(np.float64)
    return found


def of_moments(find, *weighted, **wishes):
    terms = tuple(Term(moment, weight) for moment, weight in weighted)
    return Query(find, terms, **{"duplicates": True} | wishes)


@pytest.mark.parametrize("find", list(Modality))
def test_several_terms_ask_with_the_normalised_weighted_sum(library, session, find):
    images, sounds = rows(library, IMAGE), rows(library, AUDIO)
    rng = np.random.default_rng(0)
    for _ in range(10):
        chosen = [list(images)[rng.integers(len(images))], list(sounds)[rng.integers(len(sounds))]]
        weights = [1.0, float(rng.uniform(-1, 2))]
        vector = sum(w * (images | sounds)[it] for it, w in zip(chosen, weights, strict=True))
        vector /= np.linalg.norm(vector)
        best = {}
        for moment, row in rows(library, find).items():
            score = float(row @ vector)
            best[moment.media_id] = max(best.get(moment.media_id, -2.0), score)
        expected = sorted(best.items(), key=lambda it: (-round(it[1], 6), it[0]))
        hits = session.ask(of_moments(find, *zip(chosen, weights, strict=True))).hits
        assert [hit.media_id for hit in hits] == [media_id for media_id, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_more_like_this_finds_the_moment_itself_first_unless_it_is_excluded(library, session):
    for modality in Modality:
        for moment in rows(library, modality):
            hits = session.ask(of_moments(modality, (moment, 1.0))).hits
            assert (hits[0].media_id, hits[0].score) == (moment.media_id, pytest.approx(1.0, abs=1e-3))
            others = session.ask(of_moments(modality, (moment, 1.0), exclude_self=True)).hits
            assert moment.media_id not in {hit.media_id for hit in others}
            assert len(others) == 5


def test_a_file_that_asks_is_excluded_by_its_path_and_by_its_content(library, session, folder, tmp_path):
    film = folder / "film2.mp4"
    copy = tmp_path / "another name.mp4"
    copy.write_bytes(film.read_bytes())
    for path in (film, copy):
        asked = Query(AUDIO, (Term(Source(path)),), duplicates=True)
        assert "film2.mp4" in {hit.path.name for hit in session.ask(asked).hits}
        names = {hit.path.name for hit in session.ask(replace(asked, exclude_self=True)).hits}
        assert names == {f"film{seed}.mp4" for seed in (0, 1, 3, 4, 5)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.floats(-0.2, 0.9), st.integers(0, 10_000))
def test_hits_a_media_and_the_least_score_equal_a_plain_loop(library, session, k, per_media, least, seed):
    """A hit is a moment that scores better than its neighbours; the k best of all media are found."""
    vector = np.random.default_rng(seed).standard_normal(128)
    sounds, images = rows(library, AUDIO), rows(library, IMAGE)
    moment = max(images, key=lambda it: images[it] @ vector)
    scores = {it: float(np.float32(row @ images[moment])) for it, row in sounds.items()}
    media = {}
    for it, score in scores.items():
        media.setdefault(it.media_id, {})[it.start_us] = score
    expected = [hit for hit in plain(media, per_media) if hit[4] >= least][:k]
    hits = session.ask(of_moments(AUDIO, (moment, 1.0), k=k, per_media=per_media, min_score=least)).hits
    found = [(hit.media_id, round(hit.start_s * 1e6), round(hit.from_s * 1e6), hit.score) for hit in hits]
    assert [it[:3] for it in found] == [it[:3] for it in expected]
    assert [it[3] for it in found] == pytest.approx([it[4] for it in expected], abs=1e-4)


def test_a_file_that_was_indexed_is_not_asked_again_what_it_is_until_it_changes(
    session, folder, tmp_path, monkeypatch
):
    asked, probe = [], media.probe
    monkeypatch.setattr(media, "probe", lambda path: asked.append(path) or probe(path))
    film, link = folder / "film1.mp4", tmp_path / "link"
    link.symlink_to(folder)
    expected = session.ask(Query(AUDIO, (Term(Source(film)),))).hits
    assert session.ask(Query(AUDIO, (Term(Source(link / "film1.mp4")),))).hits == expected
    assert asked == []
    before = film.stat()
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert session.ask(Query(AUDIO, (Term(Source(film)),))).hits == expected
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert asked == [film]


def test_a_filter_is_applied_inside_the_search(session, folder):
    asked = Query(AUDIO, (Term(Source(folder / "film0.mp4")),), k=1, duplicates=True)
    for seed in range(6):
        [hit] = session.ask(replace(asked, where=f"path='**/film{seed}.mp4'")).hits
        assert hit.path.name == f"film{seed}.mp4"
    assert session.ask(replace(asked, where="path='**/none.mp4'")).hits == ()
    with pytest.raises(UsageError):
        session.ask(replace(asked, where="colour=red"))


def test_once_or_many_times_the_answer_is_the_same(library, session, folder):
    for source in ("film1.mp4@1", "film3.mp4@0.5-2.5", "film4.mp4"):
        for find in Modality:
            query = Query(find, (Term(parse_source(str(folder / source))),))
            once, again = ask(library, query), session.ask(query)
            assert [hit.moment_id for hit in once.hits] == [hit.moment_id for hit in again.hits]
            assert [hit.score for hit in once.hits] == pytest.approx([hit.score for hit in again.hits], abs=1e-3)


def test_a_part_of_a_picture_asks_as_that_part_alone(session, folder, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(3)
    left, right = (rng.integers(0, 256, (3, 4, 3), dtype=np.uint8).repeat(32, 0).repeat(24, 1) for _ in range(2))
    Image.fromarray(np.concatenate([left, right], axis=1)).save(tmp_path / "both.png")
    Image.fromarray(right).save(tmp_path / "right.png")
    asked = Query(IMAGE, (Term(Source(tmp_path / "both.png", crop=Box(0.5, 0, 1, 1))),), duplicates=True)
    alone = Query(IMAGE, (Term(Source(tmp_path / "right.png")),), duplicates=True)
    assert session.ask(asked).hits == session.ask(alone).hits
    whole = Query(IMAGE, (Term(Source(tmp_path / "both.png")),), duplicates=True)
    assert session.ask(whole).hits != session.ask(alone).hits


def test_what_was_removed_neither_asks_nor_is_found(place, folder, tmp_path):
    import shutil

    library = open_library(shutil.copytree(place, tmp_path / "lib"))
    moment = next(iter(rows(library, AUDIO)))
    name = library.catalog.media_records([moment.media_id])[moment.media_id].paths[0]
    remove(library, [str(name)])
    with pytest.raises(LibraryError, match="no such moment"):
        ask(library, of_moments(AUDIO, (moment, 1.0)))
    other = next(it for it in rows(library, AUDIO) if it.media_id != moment.media_id)
    assert moment.media_id not in {hit.media_id for hit in ask(library, of_moments(AUDIO, (other, 1.0))).hits}


def test_questions_without_an_answer_say_what_to_do(library, session, tmp_path):
    moment = next(iter(rows(library, AUDIO)))
    with pytest.raises(UsageError, match="cancel each other"):
        session.ask(of_moments(AUDIO, (moment, 1.0), (moment, -1.0)))
    with pytest.raises(UsageError, match="nothing to ask with"):
        session.ask(Query(AUDIO, ()))
    with pytest.raises(LibraryError, match="no such moment"):
        session.ask(of_moments(AUDIO, (parse_moment("999:audio:0"), 1.0)))
    with pytest.raises(LibraryError, match="nothing has been indexed"):
        ask(create_library(tmp_path / "empty"), of_moments(AUDIO, (moment, 1.0)))


def test_the_stages_take_the_time_that_the_question_takes(session, folder):
    import time

    began = time.perf_counter()
    timings = session.ask(Query(AUDIO, (Term(Source(Path(folder / "film0.mp4"))),))).timings
    took = time.perf_counter() - began
    assert set(timings) == {"load", "decode", "encode", "filter", "search", "describe"}
    assert 0 < sum(timings.values()) <= took
    assert min(timings.values()) >= 0


def test_a_copy_is_hidden_behind_the_better_hit_and_counted(folder, tmp_path):
    """A film, the same in another container, and four others."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for seed in range(5):
        (footage / f"film{seed}.mp4").symlink_to(folder / f"film{seed}.mp4")
    ffmpeg("-i", folder / "film0.mp4", "-c", "copy", footage / "again.mkv")
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    index(IndexJob([footage], tmp_path / "lib", model=weights), lambda _event: None)
    library = open_library(tmp_path / "lib")
    asked = Query(AUDIO, (Term(Source(folder / "film0.mp4"), by=AUDIO),))
    found, everything = ask(library, asked), ask(library, replace(asked, duplicates=True))
    assert {hit.path.name for hit in everything.hits[:2]} == {"film0.mp4", "again.mkv"}
    assert len(everything.hits) == 6
    assert (found.num_duplicates, everything.num_duplicates) == (1, 0)
    assert [hit.media_id for hit in found.hits] == [hit.media_id for hit in everything.hits if hit.rank != 2]
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5]
