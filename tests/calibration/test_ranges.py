import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.ranges import BINS, METHODS, Histogram, choose, merged


def _counted(values: np.ndarray, slope: float = 1.0) -> Histogram:
    found = Histogram.empty(float(values.min()), float(values.max()), slope)
    found.add(values.astype(np.float32))
    return found


def _error(values: np.ndarray, low: float, high: float, exponent: int) -> float:
    step = (high - low) / 255
    rounded = np.clip(np.rint((values - low) / step), 0, 255) * step + low
    return float(np.mean(np.abs(rounded - values) ** exponent))


def test_counting_equals_numpy_and_leaves_exact_zeros_out():
    values = np.random.default_rng(0).normal(0, 1, 20000).astype(np.float32)
    values[::3] = 0
    found = _counted(values)
    kept = values[values != 0].astype(np.float64)
    assert found.counts.sum() == len(kept)
    counts, _ = np.histogram(kept, BINS, (found.low, found.high))
    assert np.abs(found.counts - counts).sum() <= 4  # float32 at the edges of bins


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
@given(seed=st.integers(0, 1000), shift=st.floats(-3, 3), tail=st.floats(1, 30))
@settings(max_examples=10, deadline=None)
def test_every_range_holds_zero_and_is_not_wider_than_what_was_seen(method, symmetric, seed, shift, tail):
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(shift, 1, 5000), [shift + tail]])
    found = choose(_counted(values), method, symmetric=symmetric)
    assert found.low <= 0 <= found.high
    assert found.high > found.low
    assert found.high <= max(values.max(), -values.min() if symmetric else 0, 0) * 1.001 + 1e-6
    if symmetric:
        assert found.low == -found.high


@pytest.mark.parametrize(("method", "exponent"), [("l2", 2), ("l3", 3)])
def test_the_least_error_is_near_the_best_of_a_search(method, exponent):
    random = np.random.default_rng(1)
    values = np.concatenate([random.laplace(0.5, 1, 40000), random.normal(0, 20, 40)])
    found = choose(_counted(values), method)
    ends = np.linspace(0.02, 1, 40)
    best = min(_error(values, values.min() * a, values.max() * b, exponent) for a in ends for b in ends)
    assert _error(values, *found, exponent) < 1.15 * best


def test_percentile_cuts_only_outliers():
    values = np.concatenate([np.random.default_rng(2).uniform(-1, 1, 10**6), [100.0, 100.0]])
    found = choose(_counted(values), "percentile")
    assert found.high < 2
    assert found.low == pytest.approx(-1, abs=0.06)


def test_what_leaky_relu_will_shrink_counts_less():
    values = np.random.default_rng(3).normal(-3, 3, 50000)
    plain, shrunk = choose(_counted(values), "l2"), choose(_counted(values, 0.1), "l2")
    assert shrunk.low > plain.low
    assert shrunk.high == pytest.approx(plain.high, rel=0.1)


def test_merged_histograms_hold_all_counts_and_both_ends():
    a, b = _counted(np.array([-1.0, 0.5, 2.0])), _counted(np.array([-8.0, 1.0, 1.5]))
    both = merged([a, b])
    assert (both.low, both.high) == (-8, 2)
    assert both.counts.sum() == 6
