"""Several queries at once against a plain product and sort, whatever order the rows come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.vectors import together
from avsearch.vectors.together import highest_products_together


def expected(queries, rows, k, is_chosen):
    """The k-th highest products and more, of the rows that count, by numpy alone."""
    products = queries @ rows.T
    if is_chosen is not None:
        products[:, ~is_chosen] = -np.inf
    return -np.sort(-products, axis=1)[:, :k], products


def no_floor(queries):
    return np.full((len(queries), 1), -np.inf, np.float32)


def agree(queries, rows, k, is_chosen=None):
    found = highest_products_together(queries, rows, k, no_floor(queries), is_chosen)
    scores, row = found.scores, found.row
    best, products = expected(queries, rows, k, is_chosen)
    assert np.allclose(-np.sort(-scores, axis=1), best, atol=1e-5)
    assert np.allclose(np.take_along_axis(products, row, axis=1), scores, atol=1e-5)
    assert all(len(set(of_query)) == k for of_query in row.tolist())
    assert is_chosen is None or is_chosen[row].all()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    num_rows=st.integers(1, 300),
    num_queries=st.integers(1, 9),
    share=st.floats(0.05, 1),
    data=st.data(),
)
def test_they_are_those_of_a_plain_sort(seed, num_rows, num_queries, share, data):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((num_rows, 5)).astype(np.float32)
    queries = rng.standard_normal((num_queries, 5)).astype(np.float32)
    is_chosen = rng.random(num_rows) < share
    is_chosen[0] = True
    k = data.draw(st.integers(1, int(is_chosen.sum())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "_PIECE_ROWS", 32)
        agree(queries, rows, k, is_chosen)
        agree(queries, rows, k)


@pytest.mark.parametrize("order", [1, -1])
def test_rows_that_get_better_and_better_or_worse_and_worse_are_found_as_well(order):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, 8)).astype(np.float32)
    rows = rows[np.argsort(order * rows[:, 0])]
    queries = np.eye(1, 8, dtype=np.float32) + 0.01 * rng.standard_normal((5, 8)).astype(np.float32)
    agree(queries, rows, 40)


def test_equal_rows_are_not_taken_twice():
    rows = np.ones((10_000, 4), np.float32)
    agree(np.ones((6, 4), np.float32), rows, 50)


def test_a_query_that_finds_little_in_a_piece_is_not_filled_with_what_does_not_count():
    """All that counts for one query lies in the last piece; the other queries find enough before."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((9_000, 4)).astype(np.float32)
    is_chosen = np.zeros(9_000, np.bool_)
    is_chosen[[3, 8_999, 8_000]] = True
    agree(rng.standard_normal((5, 4)).astype(np.float32), rows, 3, is_chosen)


def test_what_is_not_above_the_floor_is_left_out():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((5_000, 8)).astype(np.float32)
    queries = rng.standard_normal((4, 8)).astype(np.float32)
    products = queries @ rows.T
    floor = -np.sort(-products, axis=1)[:, [7]]
    floor[3] = np.inf
    found = highest_products_together(queries, rows, 20, floor)
    scores, row = found.scores, found.row
    for query in range(3):
        found = np.sort(row[query, np.isfinite(scores[query])])
        assert found.tolist() == np.flatnonzero(products[query] > floor[query] + 1e-5).tolist()
    assert not np.isfinite(scores[3]).any()


def test_float16_rows_are_multiplied_as_the_numbers_they_hold():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((9_000, 8)).astype(np.float16)
    rows.flags.writeable = False
    queries = rng.standard_normal((3, 8)).astype(np.float32)
    scores = highest_products_together(queries, rows, 10, no_floor(queries)).scores
    best, _ = expected(queries, rows.astype(np.float32), 10, None)
    assert np.allclose(-np.sort(-scores, axis=1), best, atol=1e-5)
