"""Saturated cameras: what is counted, and that every camera of a network gets its turn."""

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import cameras


def test_rates_are_of_all_workers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "TURN_S", 0.2)

    def work(end_s: float) -> int:
        while time.perf_counter() < end_s:
            sum(range(1000))
        return 100

    found = cameras.rate([work, work])
    assert 0 < found.per_s <= 200 / 0.2
    assert found.per_cpu_s == pytest.approx(found.per_s / found.cores)


def test_every_camera_gets_its_turn(tiny_pack: Path) -> None:
    worker = cameras._worker(tiny_pack, "onnxruntime-fp32", 1, 3, [np.zeros((32, 32, 3), np.uint8)] * 2)
    assert worker(time.perf_counter() - 1) == 0
    count = worker(time.perf_counter() + 0.05)
    assert count >= 3
    assert count % 3 == 0
