"""Which hits are ranked, and how much is looked at for them. Truth: a plain loop over all moments."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsearch.catalog import FileState, IndexedMedia, State
from avsearch.library import Batch, create_library
from avsearch.moments import SECOND_US, AudioStream, MediaInfo, MediaKind, Modality
from avsearch.query import Query, Stages
from avsearch.query.ranking import Mapped, Ranking
from avsearch.vectors import Rows
from avsearch.vectors.resident import Resident
from tests.query.test_stretches import plain
from tests.tiny import tiny_weights

AUDIO = Modality.AUDIO
DIM = 128
LENGTHS = (400, 1, 90, 3, 250, 40, 2, 60)  # moments of each media
SOUND = AudioStream(index=0, ordinal=0, codec="pcm_s16le", sample_rate_hz=48_000, num_channels=1, is_default=True)


def steady(length, seed):
    """Unit rows that stay near one direction, as those of a long shot do."""
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(DIM) + 0.3 * rng.standard_normal((length, DIM)).cumsum(axis=0)
    return (vector / np.linalg.norm(vector, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    place = tmp_path_factory.mktemp("ranking")
    library = create_library(place / "lib")
    (place / "footage").mkdir()
    with library.writer() as writer:
        writer.use_encoder(tiny_weights(place / "encoder.safetensors"))
        root = writer.catalog.add_root(place / "footage")
        for some in (LENGTHS[:5], LENGTHS[5:]):
            ids = list(writer.reserve_media_ids(len(some)))
            rows = Rows(
                np.concatenate([steady(length, media_id) for media_id, length in zip(ids, some, strict=True)]),
                np.repeat(np.array(ids, np.int64), some),
                np.concatenate([np.arange(length) * SECOND_US for length in some]),
            )
            writer.publish(
                Batch(
                    media=tuple(
                        IndexedMedia(it, str(it), MediaInfo(MediaKind.SOUND, 10**9, 0, "wav", None, SOUND))
                        for it in ids
                    ),
                    rows={AUDIO: rows},
                    files=tuple(
                        FileState(root.id, f"{it}.wav".encode(), 9, 1, State.INDEXED, media_id=it) for it in ids
                    ),
                )
            )
    return library


class Counted:
    """Rows that know how often they were searched."""

    def __init__(self, searchable):
        self.searchable = searchable
        self.num_searches = 0

    def nearest(self, queries, k, *, allowed=None):
        self.num_searches += 1
        return self.searchable.nearest(queries, k, allowed=allowed)


@pytest.mark.slow
@pytest.mark.parametrize("prepared", [Mapped, Resident])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 3), st.floats(-1, 0.5), st.integers(0, 10_000))
def test_long_shots_hide_no_other_media(library, prepared, k, per_media, least, seed):
    view = library.view(*Modality)
    segments = view.segments[AUDIO]
    rng = np.random.default_rng(seed)
    near = segments[0].vector[rng.integers(400)]  # of the longest: its moments fill the first places
    vector = near + 0.05 * rng.standard_normal(DIM).astype(np.float32)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    media = {}
    for rows in segments:
        scores = rows.vector.astype(np.float64) @ vector.astype(np.float64)
        for media_id, start_us, score in zip(rows.media_id, rows.start_us, scores, strict=True):
            media.setdefault(int(media_id), {})[int(start_us)] = score
    expected = [hit for hit in plain(media, per_media) if hit[4] >= least][:k]
    searched = Counted(prepared(segments))
    ranking = Ranking(library, view, {AUDIO: searched})
    query = Query(AUDIO, (), k=k, per_media=per_media, min_score=least, duplicates=True)
    hits = ranking.rank(vector, query, view.snapshot.live_media_ids, Stages()).hits
    found = [(it.media_id, *(round(1e6 * s) for s in (it.start_s, it.from_s, it.to_s - 1))) for it in hits]
    assert found == [hit[:4] for hit in expected]
    assert [it.score for it in hits] == pytest.approx([hit[4] for hit in expected], abs=1e-4)
    assert searched.num_searches <= 8


def test_a_filter_that_changes_is_not_mistaken_for_the_last_one(library):
    view = library.view(AUDIO)
    resident = Resident(view.segments[AUDIO])
    vector = view.segments[AUDIO][0].vector[:1]
    everything = view.snapshot.live_media_ids
    for allowed in (everything, everything[2:], everything, everything[:1], everything[2:]):
        found = resident.nearest(vector, 2000, allowed=allowed)
        assert set(found.media_id[0].tolist()) == set(allowed.tolist())
