import numpy as np
import pytest

from edge.spans import KEPT, Spans


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
