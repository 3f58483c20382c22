import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cross_decomposition import CCA

from trainer.cca import CanonicalAnalysis, PairStatistics

COMPONENTS = 6


def related(num_pairs=400, x_dim=9, y_dim=7, seed=0):
    """(N, Dx), (N, Dy): four common causes, more or less hidden, far from the origin and of unlike scales."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(num_pairs, 4))
    x, y = (causes @ rng.normal(size=(4, dim)) + rng.normal(size=(num_pairs, dim)) for dim in (x_dim, y_dim))
    return 50 + x * rng.uniform(0.1, 10, x_dim), y * rng.uniform(0.1, 10, y_dim) - 20


def statistics(x, y, *, rows_a_batch=None):
    gathered = PairStatistics(x.shape[1], y.shape[1])
    step = rows_a_batch or len(x)
    for first in range(0, len(x), step):
        gathered.add(x[first : first + step], y[first : first + step])
    return gathered


def aligned(x, y, components=COMPONENTS, ridge=0.0):
    return CanonicalAnalysis(statistics(x, y)).align(components, ridge=ridge)


def same_up_to_sign(ours, theirs):
    """(N, K) each: the absolute correlation of each column with its like."""
    return [abs(np.corrcoef(ours[:, k], theirs[:, k])[0, 1]) for k in range(ours.shape[1])]


def test_variates_and_correlations_are_those_of_scikit_learn():
    x, y = related()
    ours = aligned(x, y)
    theirs = CCA(COMPONENTS, scale=True, tol=1e-14, max_iter=100_000).fit_transform(x, y)
    correlations = [np.corrcoef(theirs[0][:, k], theirs[1][:, k])[0, 1] for k in range(COMPONENTS)]
    np.testing.assert_allclose(ours.correlations, correlations, atol=1e-6)
    for projection, features, variates in zip((ours.x, ours.y), (x, y), theirs, strict=True):
        assert same_up_to_sign(projection.apply(features), variates) == pytest.approx([1.0] * COMPONENTS)


@pytest.mark.parametrize("ridge", [0.0, 0.01, 1.0, 10.0])
def test_with_a_ridge_they_solve_the_generalised_eigenproblem(ridge):
    """[0 C; C' 0] w = r [A 0; 0 B] w, where A and B are the covariances with the ridge on their diagonals."""
    x, y = related()
    covariance = np.cov(np.hstack([x, y]).T)
    a, b = covariance[:9, :9], covariance[9:, 9:]
    crossed, within = covariance.copy(), np.zeros_like(covariance)
    crossed[:9, :9] = crossed[9:, 9:] = 0
    within[:9, :9] = a + ridge * np.trace(a) / 9 * np.eye(9)
    within[9:, 9:] = b + ridge * np.trace(b) / 7 * np.eye(7)
    values, vectors = scipy.linalg.eigh(crossed, within)
    best = np.argsort(-values)[:COMPONENTS]
    ours = aligned(x, y, ridge=ridge)
    np.testing.assert_allclose(ours.correlations, values[best], atol=1e-9)
    assert same_up_to_sign(ours.x.apply(x), x @ vectors[:9, best]) == pytest.approx([1.0] * COMPONENTS)
    assert same_up_to_sign(ours.y.apply(y), y @ vectors[9:, best]) == pytest.approx([1.0] * COMPONENTS)


def test_each_variate_has_the_length_of_its_correlation_and_no_mean():
    x, y = related()
    ours = aligned(x, y)
    for projected in (ours.x.apply(x), ours.y.apply(y)):
        np.testing.assert_allclose(np.cov(projected.T), np.diag(ours.correlations**2), atol=1e-9)
        np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("rows_a_batch", [1, 7, 399])
def test_batches_of_any_size_give_the_covariance_of_all_rows(rows_a_batch):
    x, y = related()
    gathered = statistics(x, y, rows_a_batch=rows_a_batch)
    together = np.hstack([x, y])
    assert gathered.num_pairs == 400
    np.testing.assert_allclose(gathered.mean, together.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(gathered.covariance(), np.cov(together.T), rtol=1e-9, atol=1e-9)


def test_features_far_from_zero_keep_their_covariance():
    """A sum of squares less a square of sums would have no digit left here."""
    x, y = related()
    far = statistics(x + 1e9, y, rows_a_batch=32).covariance()
    np.testing.assert_allclose(far, np.cov(np.hstack([x, y]).T), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_constant_features_change_nothing(ridge):
    x, y = related()
    more = aligned(np.hstack([x, np.full((400, 1), 3.7)]), y, ridge=ridge)
    np.testing.assert_allclose(more.correlations, aligned(x, y, ridge=ridge).correlations, atol=1e-9)
    np.testing.assert_allclose(more.x.matrix[9], 0, atol=1e-12)


def test_repeated_features_count_once():
    x, y = related()
    repeated = CanonicalAnalysis(statistics(x, np.hstack([y, y[:, :2] * 3])))
    assert repeated.most_components == 7
    found = repeated.align(COMPONENTS, ridge=0).correlations
    np.testing.assert_allclose(found, aligned(x, y).correlations, atol=1e-9)


def test_there_are_no_more_components_than_features_or_pairs_less_one():
    x, y = related()
    assert CanonicalAnalysis(statistics(x, y)).most_components == 7
    assert CanonicalAnalysis(statistics(x[:4], y[:4])).most_components == 3
    assert CanonicalAnalysis(statistics(x[:1], y[:1])).most_components == 0
    assert CanonicalAnalysis(statistics(np.ones((9, 3)), y[:9])).most_components == 0
    assert aligned(x, y, components=128).x.matrix.shape == (9, 7)


def test_unrelated_sides_are_told_from_related_ones_by_a_ridge_on_few_pairs():
    """Thirty pairs in forty dimensions correlate perfectly by chance; the ridge says so."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 40)), rng.normal(size=(30, 40))
    assert aligned(x, y).correlations[0] == pytest.approx(1)
    assert aligned(x, y, ridge=10).correlations[0] < 0.5


sides = st.integers(1, 5).flatmap(lambda dim: arrays(np.float64, (12, dim), elements=st.floats(-1e3, 1e3)))


@settings(max_examples=60, deadline=None)
@given(x=sides, y=sides, ridge=st.sampled_from([0.0, 1e-3, 1.0]))
def test_correlations_lie_between_0_and_1_and_descend(x, y, ridge):
    found = aligned(x, y, ridge=ridge)
    assert ((found.correlations >= 0) & (found.correlations <= 1)).all()
    assert (np.diff(found.correlations) <= 0).all()
    assert np.isfinite(found.x.apply(x)).all()
    assert np.isfinite(found.y.apply(y)).all()
