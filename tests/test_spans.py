"""Spans measure what they should, in fixed memory, and their percentiles are as exact as promised."""

import math
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.spans import KEPT, RELATIVE_ERROR, Span, Spans, bin_edges_ms, percentiles_ms


def test_counts_totals_and_order() -> None:
    spans = Spans()
    for _ in range(3):
        with spans["b"], spans["a"]:
            pass
    assert [(name, span.count) for name, span in spans] == [("b", 3), ("a", 3)]
    assert spans["b"].total_ns >= spans["a"].total_ns > 0
    assert len(spans["a"].recent_ms()) == 3
    assert spans["a"].recent_ms().sum() == pytest.approx(spans["a"].total_ns / 1e6)
    assert len(spans["c"].recent_ms()) == 0


def test_spans_beside_each_other_are_told_apart() -> None:
    spans = Spans()
    with spans["infer"], spans.numbered(2)["infer"]:
        pass
    assert [name for name, _ in spans] == ["infer", "infer 2"]


def test_only_the_recent_ones_are_kept_but_all_are_counted() -> None:
    span = Spans()["x"]
    for _ in range(KEPT + 10):
        with span:
            pass
    assert span.count == KEPT + 10
    assert len(span.recent_ms()) == KEPT
    assert (span.recent_ms() > 0).all()


def test_an_error_is_measured_and_goes_on() -> None:
    span = Spans()["x"]
    with pytest.raises(KeyError), span:
        raise KeyError
    assert span.count == 1
    assert np.isfinite(span.recent_ms()).all()


class Clock:
    """Hands out times that make each span last as long as the next of `durations_ns`."""

    def __init__(self, durations_ns: list[int]) -> None:
        self._times = iter([time for d in durations_ns for time in (1_000, 1_000 + d)])

    def __call__(self) -> int:
        return next(self._times)


def spans_of(durations_ns: list[int]) -> Span:
    span = Span()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.spans.perf_counter_ns", Clock(durations_ns))
        for _ in durations_ns:
            with span:
                pass
    return span


@given(st.lists(st.integers(0, 2**41), min_size=1, max_size=60), st.floats(0, 100))
def test_a_percentile_is_a_measured_one_but_for_the_known_error(durations_ns: list[int], wanted: float) -> None:
    span = spans_of(durations_ns)
    assert span.histogram().sum() == len(durations_ns)
    (found,) = percentiles_ms(span.histogram(), [wanted])
    rank = max(1, math.ceil(wanted / 100 * len(durations_ns)))
    exact_ns = min(sorted(durations_ns)[rank - 1], 2**40 - 1)
    assert found * 1e6 == pytest.approx(exact_ns, rel=2 * RELATIVE_ERROR, abs=0.51)


@given(st.integers(0, 2**40 - 1))
def test_a_bin_holds_what_lies_between_its_edges(duration_ns: int) -> None:
    (bin_,) = np.flatnonzero(spans_of([duration_ns]).histogram())
    edges_ns = np.round(bin_edges_ms() * 1e6)
    assert edges_ns[bin_] <= duration_ns < edges_ns[bin_ + 1]
    assert edges_ns[bin_ + 1] - edges_ns[bin_] <= max(1, 2 * RELATIVE_ERROR * duration_ns)
    assert (np.diff(edges_ns) > 0).all()


def test_the_difference_of_two_histograms_is_what_lay_between() -> None:
    span = spans_of([100, 100])
    before = span.histogram()
    with span:
        pass
    assert (span.histogram() - before).sum() == 1
    with pytest.raises(ValueError, match="no durations"):
        percentiles_ms(before - before, [50])


def test_recent_ones_come_in_order_also_around_the_ring() -> None:
    span = spans_of(list(range(KEPT + 5)))
    starts_ns, durations_ns = span.recent_ns()
    assert durations_ns.tolist() == list(range(5, KEPT + 5))
    assert set(starts_ns.tolist()) == {1_000}


def test_a_span_knows_the_thread_that_was_first() -> None:
    span = Span()

    def measure() -> None:
        with span:
            pass

    thread = threading.Thread(target=measure, name="decode")
    thread.start()
    thread.join()
    measure()
    assert (span.thread, span.count) == ("decode", 2)


def test_memory_is_fixed() -> None:
    span = Span()
    tracemalloc.start()
    for _ in range(3 * KEPT):
        with span:
            pass
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 4096


def test_what_a_device_measured_is_counted_one_after_another_on_a_thread_of_its_own() -> None:
    spans = Spans()
    before_ns = time.perf_counter_ns()
    spans.numbered(2).add_device({"gpu copy in": 0.25, "gpu infer": 4.0})
    (copied, (copy_ns, copy_took_ns)), (computed, (infer_ns, infer_took_ns)) = (
        (name, span.recent_ns()) for name, span in spans
    )
    assert [copied, computed] == ["gpu copy in 2", "gpu infer 2"]
    assert (copy_took_ns.item(), infer_took_ns.item()) == (250_000, 4_000_000)
    assert infer_ns.item() == copy_ns.item() + 250_000
    assert before_ns <= infer_ns.item() + 4_000_000 <= time.perf_counter_ns()
    assert {span.thread for _, span in spans} == {"GPU"}
