"""Frames a second and ages, of the last seconds."""

import pytest

from edge.service.throughput import KEPT, WINDOW_S, Throughput


def test_a_steady_stream() -> None:
    pace = Throughput(100.0)
    assert pace.fps(100.0) == 0.0
    assert pace.ages_ms(50) is None
    for i in range(1, 51):
        pace.note(100 + i / 25, 0.02)
    assert pace.fps(102.0) == pytest.approx(25)
    assert pace.ages_ms(50, 99) == pytest.approx([20, 20])


def test_a_stream_that_stops_slows_down_to_nothing() -> None:
    pace = Throughput(0.0)
    for i in range(1, 101):
        pace.note(i / 10, 0.0)
    rates = [pace.fps(10 + gone_s) for gone_s in (0.0, 2.0, WINDOW_S + 0.1)]
    assert rates == pytest.approx([10, 6, 0], abs=0.2)


@pytest.mark.parametrize("rate", [50, 400])
def test_more_frames_than_are_kept(rate: int) -> None:
    pace = Throughput(0.0)
    frames = 10 * KEPT
    for i in range(1, frames + 1):
        pace.note(i / rate, i / frames)
    assert pace.fps(frames / rate) == pytest.approx(rate, rel=0.01)
    found = pace.ages_ms(0, 100)
    assert found == pytest.approx([1000 * (frames - KEPT + 1) / frames, 1000])
