import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.ranges import BINS, METHODS, ChannelHistograms, Histogram, Method, _clipped, choose, merged


def _counted(values: np.ndarray, slope: float = 1.0) -> Histogram:
    found = ChannelHistograms.empty(values.min(keepdims=True), values.max(keepdims=True), slope)
    found.add(values[None].astype(np.float32))
    return found.together()


def _error(values: np.ndarray, low: float, high: float, exponent: int) -> float:
    step = (high - low) / 255
    rounded = np.clip(np.rint((values - low) / step), 0, 255) * step + low
    return float(np.mean(np.abs(rounded - values) ** exponent))


def test_counting_equals_numpy_and_leaves_exact_zeros_out() -> None:
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
@settings(max_examples=10)
def test_every_range_holds_zero_and_is_not_wider_than_what_was_seen(
    method: Method, symmetric: bool, seed: int, shift: float, tail: float
) -> None:
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(shift, 1, 5000), [shift + tail]])
    found = choose(_counted(values), method, symmetric=symmetric)
    assert found.low <= 0 <= found.high
    assert found.high > found.low
    assert found.high <= max(values.max(), -values.min() if symmetric else 0, 0) * 1.001 + 1e-6
    if symmetric:
        assert found.low == -found.high


@pytest.mark.parametrize(("method", "exponent"), [("l2", 2), ("l3", 3)])
def test_the_least_error_is_near_the_best_of_a_search(method: Method, exponent: int) -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([random.laplace(0.5, 1, 40000), random.normal(0, 20, 40)])
    found = choose(_counted(values), method)
    ends = np.linspace(0.02, 1, 40)
    best = min(_error(values, values.min() * a, values.max() * b, exponent) for a in ends for b in ends)
    assert _error(values, *found, exponent) < 1.15 * best


def test_percentile_cuts_only_outliers() -> None:
    values = np.concatenate([np.random.default_rng(2).uniform(-1, 1, 10**6), [100.0, 100.0]])
    found = choose(_counted(values), "percentile")
    assert found.high < 2
    assert found.low == pytest.approx(-1, abs=0.06)


def test_what_leaky_relu_will_shrink_counts_less() -> None:
    values = np.random.default_rng(3).normal(-3, 3, 50000)
    plain, shrunk = choose(_counted(values), "l2"), choose(_counted(values, 0.1), "l2")
    assert shrunk.low > plain.low
    assert shrunk.high == pytest.approx(plain.high, rel=0.1)


def test_merged_histograms_hold_all_counts_and_both_ends() -> None:
    a, b = _counted(np.array([-1.0, 0.5, 2.0])), _counted(np.array([-8.0, 1.0, 1.5]))
    both = merged([a, b])
    assert (both.low, both.high) == (-8, 2)
    assert both.counts.sum() == 6


@given(seed=st.integers(0, 1000), channels=st.integers(1, 6))
@settings(max_examples=30)
def test_channels_counted_once_give_the_histogram_of_any_equalisation(seed: int, channels: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(0, random.uniform(0.1, 30, (channels, 1)), (channels, 4000)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = 0
    if channels > 1 and seed % 3 == 0:
        values[0] = 0  # a channel that training switched off
    divisors = random.uniform(0.05, 20, channels)
    counted = ChannelHistograms.empty(values.min(1), values.max(1))
    for part in np.split(values, 4, axis=1):
        counted.add(part)
    found = counted.together(divisors)
    scaled = values / divisors[:, None]
    assert (found.low, found.high) == pytest.approx((scaled.min(), scaled.max()), rel=1e-6)
    kept = np.sort(scaled[values != 0])
    assert found.counts.sum() == len(kept)
    # Nothing moves by more than a bin: the sums up to any place lie between those a bin before and behind it.
    edges = np.linspace(found.low, found.high, BINS + 1)
    below, above = (np.searchsorted(kept, edges[1:] + shift * (edges[1] - edges[0])) for shift in (-1.01, 1.01))
    sums = np.cumsum(found.counts)
    assert (below <= sums).all()
    assert (sums <= above).all()


@given(seed=st.integers(0, 1000), exponent=st.sampled_from([2, 3]))
@settings(max_examples=30)
def test_running_sums_give_what_clipping_costs(seed: int, exponent: int) -> None:
    random = np.random.default_rng(seed)
    centres = np.sort(random.uniform(-50, 80, 2048))
    counts = random.integers(0, 1000, 2048).astype(float) * np.exp(-((centres / 20) ** 2)) + (
        random.random(2048) < 0.01
    )
    cuts = np.linspace(centres[0], centres[-1], 96)
    slow = (np.maximum(cuts[:, None] - centres, 0) ** exponent * counts).sum(1)
    np.testing.assert_allclose(_clipped(centres, counts, cuts, exponent), slow, rtol=1e-6, atol=1e-9 * slow.max())
