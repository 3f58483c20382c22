from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avsearch import media
from avsearch.encoder import load_encoder
from avsearch.errors import LibraryError, MediaError, UsageError
from avsearch.library import create_library, open_library
from avsearch.moments import DIRECTIONS, Modality
from avsearch.query import Embedder, Source, Stages, nearest_hits, parse_source, search
from indexer.build import index
from indexer.index_job import IndexJob
from tests.media.clips import make_clip, tones, write_wav
from tests.tiny import make_film, tiny_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    for seed, rate in enumerate(["25", "24000/1001", "30000/1001", "15"]):
        make_film(folder / f"film{seed}.mp4", seed=seed, rate=rate, seconds=3)
    write_wav(folder / "sound.wav", tones(2.5))
    make_clip(folder / "silent.mp4", frames=30)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(
        folder / "still.png"
    )
    return folder


@pytest.fixture(scope="module")
def library(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("library") / "lib"
    weights = tiny_weights(place.parent / "encoder.safetensors")
    index(IndexJob([folder], place, model=weights), lambda _event: None)
    return open_library(place)


@pytest.mark.slow
def test_every_stored_moment_asked_as_file_at_start_comes_back_first(library, folder):
    """Four frame rates, 24000/1001 among them; the time goes through the decimal number that --json prints."""
    snapshot = library.snapshot()
    asked = 0
    for modality in Modality:
        for rows in library.segments(snapshot, modality):
            records = library.catalog.media_records(set(rows.media_id.tolist()))
            for media_id, start_us in zip(rows.media_id.tolist(), rows.start_us.tolist(), strict=True):
                source = parse_source(f"{records[media_id].paths[0]}@{start_us / 1e6}")
                hit = search(library, source, find=modality, by=modality, k=1)[0]
                assert hit.moment_id == f"{media_id}:{modality}:{start_us}"
                assert hit.score > 0.999
                asked += 1
    pictures = 4 * 2 + 1 + 1  # a film has one keyframe, and its gap is filled after two seconds
    sounds = 4 * 3 + 3
    assert asked == pictures + sounds


@pytest.mark.parametrize("direction", DIRECTIONS, ids=str)
def test_all_four_directions_answer_with_one_hit_a_media(library, folder, direction):
    hits = search(library, Source(folder / "film1.mp4"), find=direction.target, by=direction.query)
    assert len(hits) == (6 if direction.target is Modality.IMAGE else 5)
    assert len({hit.media_id for hit in hits}) == len(hits)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.modality for hit in hits} == {direction.target}


def test_hits_equal_a_plain_search_over_all_rows(library, folder):
    view = library.view(*Modality)
    rng = np.random.default_rng(1)
    for find in Modality:
        segments = view.segments[find]
        vectors = np.concatenate([rows.vector for rows in segments])
        media_ids = np.concatenate([rows.media_id for rows in segments])
        for _ in range(20):
            query = rng.normal(size=128).astype(np.float32)
            query /= np.linalg.norm(query)
            scores = vectors @ query
            best = {}
            for row in np.argsort(-scores):
                best.setdefault(int(media_ids[row]), float(scores[row]))
            for k in (1, 3, 30):
                hits = nearest_hits(library, view, query, find=find, k=k)
                assert [hit.media_id for hit in hits] == list(best)[:k]
                assert [hit.score for hit in hits] == pytest.approx(list(best.values())[:k], abs=1e-5)


def test_a_video_asks_with_the_other_side_unless_told(library, folder):
    film, sound, still, silent = (folder / name for name in ("film0.mp4", "sound.wav", "still.png", "silent.mp4"))
    image, audio = Modality.IMAGE, Modality.AUDIO
    expected = {film: (audio, image), sound: (audio, audio), still: (image, image), silent: (image, image)}
    from avsearch.query import side

    for path, sides in expected.items():
        info = media.probe(path)
        assert (side(info, find=image, by=None), side(info, find=audio, by=None)) == sides
    with pytest.raises(MediaError, match="no pictures"):
        search(library, Source(sound), find=image, by=image)
    with pytest.raises(MediaError, match="no sound"):
        search(library, Source(silent), find=image, by=audio)


def test_a_stretch_asks_with_the_normalised_mean_of_its_seconds(library, folder):
    film = folder / "film2.mp4"
    info = media.probe(film)
    encoder = load_encoder(library.encoder_path(library.snapshot().encoder))
    embed = Embedder(encoder.header, lambda: encoder, Stages()).embed
    for by in Modality:
        parts = [
            embed(Source(film, start_us, None if by is Modality.IMAGE else start_us + 1_000_000), info, by)
            for start_us in (1_000_000, 2_000_000)
        ]
        mean = sum(parts) / np.linalg.norm(sum(parts))
        stretch = embed(Source(film, 1_000_000, 3_000_000), info, by)
        assert stretch @ mean > 0.9999


def test_a_hit_of_sound_ends_a_second_later_but_never_past_the_file(library, folder):
    hits = search(library, Source(folder / "sound.wav", 2_000_000, 2_500_000), find=Modality.AUDIO, k=30)
    own = next(hit for hit in hits if hit.path.name == "sound.wav")
    assert (own.start_s, own.end_s) == (2.0, 2.5)
    assert all(hit.end_s - hit.start_s <= 1 for hit in hits)


def test_an_existing_path_wins_over_the_at_sign(tmp_path, monkeypatch):
    (tmp_path / "take@3").touch()
    monkeypatch.chdir(tmp_path)
    assert parse_source("take@3") == Source(Path("take@3"))
    assert parse_source("take@3@4.5") == Source(Path("take@3"), 4_500_000)
    assert parse_source("a@b.mp4@1.5-2") == Source(Path("a@b.mp4"), 1_500_000, 2_000_000)
    assert parse_source("me@home.mp4") == Source(Path("me@home.mp4"))


def test_nonsense_is_refused_with_a_sentence(library, folder):
    with pytest.raises(UsageError, match="ends before it begins"):
        parse_source("film.mp4@3-2")
    with pytest.raises(UsageError, match="0 hits"):
        search(library, Source(folder / "still.png"), find=Modality.AUDIO, k=0)
    with pytest.raises(MediaError, match="no such file"):
        search(library, Source(folder / "nowhere.mp4"), find=Modality.AUDIO)
    with pytest.raises(MediaError, match="pictures end at"):
        search(library, Source(folder / "film0.mp4", 60_000_000), find=Modality.AUDIO, by=Modality.IMAGE)
    with pytest.raises(MediaError, match="nothing to ask with"):
        search(library, Source(folder / "film0.mp4", 60_000_000), find=Modality.IMAGE, by=Modality.AUDIO)


def test_a_query_on_an_empty_library_says_what_to_do(tmp_path, folder):
    with pytest.raises(LibraryError, match="nothing has been indexed"):
        search(create_library(tmp_path / "empty"), Source(folder / "still.png"), find=Modality.AUDIO)


def test_a_library_without_sounds_says_so(tmp_path, folder):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    index(IndexJob([folder / "still.png"], tmp_path / "lib", model=weights), lambda _event: None)
    with pytest.raises(LibraryError, match="holds no audio moments"):
        search(open_library(tmp_path / "lib"), Source(folder / "still.png"), find=Modality.AUDIO)


def test_a_damaged_segment_is_never_searched(tmp_path, folder):
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    index(IndexJob([folder / "film0.mp4"], tmp_path / "lib", model=weights), lambda _event: None)
    for segment in (tmp_path / "lib" / "segments").iterdir():
        content = bytearray(segment.read_bytes())
        content[-1] ^= 1
        segment.write_bytes(content)
    with pytest.raises(LibraryError, match="library verify"):
        search(open_library(tmp_path / "lib"), Source(folder / "still.png"), find=Modality.AUDIO)
