"""Rows in clusters, as embeddings of footage lie, and a plain float64 answer to what is nearest."""

import numpy as np

from avsearch.moments import Silent
from avsearch.vectors import Rows
from avsearch.vectors.ann.kinds import KINDS
from avsearch.vectors.ann.structure import build

DIM = 16


def unit(vector):
    return (vector / np.linalg.norm(vector, axis=1, keepdims=True)).astype(np.float32)


def clustered(rng, num_rows, *, dim=DIM, num_clusters=60, spread=0.5):
    """(N, D) float32 unit rows."""
    middle = unit(rng.standard_normal((num_clusters, dim)))
    return unit(
        middle[rng.integers(0, num_clusters, num_rows)] + spread * unit(rng.standard_normal((num_rows, dim)))
    )


def segments_of(rng, *lengths, dtype=np.float32, media_rows=5, first=0, **wishes):
    """Segments one after the other; a media has a few rows of one segment."""
    made = []
    for length in lengths:
        row = np.arange(first, first + length)
        made.append(Rows(clustered(rng, length, **wishes).astype(dtype), row // media_rows, row % media_rows))
        first += length
    return made


def structure_of(segments, name="ivf", seed=0):
    return build(segments, KINDS[name], rng=np.random.default_rng(seed), progress=Silent())


def together(segments):
    """The concatenation of segments."""
    columns = ("vector", "media_id", "start_us")
    vector, media_id, start_us = (np.concatenate([getattr(it, name) for it in segments]) for name in columns)
    return vector.astype(np.float64), media_id, start_us


def naive(segments, queries, k, allowed=None):
    """(scores, rows) of each query, best first; of equal ones the lower media, then the earlier time."""
    vector, media_id, start_us = together(segments)
    found = []
    for query in queries.astype(np.float64):
        scores = (vector @ query).astype(np.float32)
        if allowed is not None:
            scores[~np.isin(media_id, allowed)] = -np.inf
        order = np.lexsort((start_us, media_id, -scores))[:k]
        order = order[scores[order] > -np.inf]
        found.append((scores[order], order))
    return found


def recall(found, truth):
    """The part of the true rows that was found, over all queries."""
    hits = [len(set(row.tolist()) & set(right.tolist())) for row, (_, right) in zip(found.row, truth, strict=True)]
    return sum(hits) / sum(len(right) for _, right in truth)


def assert_honest(found, segments, queries):
    """Scores are those of the rows, rows are those of the moments, no row stands twice, the best come first."""
    vector, media_id, start_us = together(segments)
    assert np.array_equal(found.media_id, media_id[found.row])
    assert np.array_equal(found.start_us, start_us[found.row])
    scores = np.einsum("qkd,qd->qk", vector[found.row], queries.astype(np.float64))
    np.testing.assert_allclose(found.scores, scores, rtol=0, atol=2e-7)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert all(len(set(row.tolist())) == len(row) for row in found.row)
