"""Histograms count what was no longer than each bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.service.histogram import DWELL_BOUNDS_S, STAGE_BOUNDS_S, Buckets, of_span
from edge.spans import RELATIVE_ERROR, Span


@given(st.lists(st.floats(0, 1e4) | st.sampled_from(DWELL_BOUNDS_S)))
def test_each_time_counts_in_every_bound_that_it_does_not_exceed(times_s: list[float]) -> None:
    buckets = Buckets(DWELL_BOUNDS_S)
    for time_s in times_s:
        buckets.note(time_s)
    found = buckets.histogram()
    assert found.counts == [sum(t <= bound for t in times_s) for bound in (*DWELL_BOUNDS_S, np.inf)]
    assert found.sum_s == pytest.approx(sum(times_s))


@given(st.lists(st.integers(0, 2_000_000_000)))
def test_a_span_is_counted_as_exactly_as_it_was_measured(times_ns: list[int]) -> None:
    span = Span()
    for time_ns in times_ns:
        span.add(0, time_ns)
    found = of_span(span)
    for bound_s, count in zip((*STAGE_BOUNDS_S, np.inf), found.counts, strict=True):
        slack = 2 * RELATIVE_ERROR
        least = sum(t <= bound_s * 1e9 * (1 - slack) for t in times_ns)
        most = sum(t <= bound_s * 1e9 * (1 + slack) for t in times_ns)
        assert least <= count <= most
    assert found.counts[-1] == len(times_ns)
    assert found.sum_s == pytest.approx(sum(times_ns) / 1e9)
