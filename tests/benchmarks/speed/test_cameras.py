"""Saturated cameras: the daemon is measured as it would choose by itself, and every camera has its turn."""

import os
from pathlib import Path

import pytest

from benchmarks.speed import cameras


def test_a_turn_counts_the_frames_of_all_cameras(
    tiny_pack: Path, tiny_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "WARM_UP_S", 0.2)
    monkeypatch.setattr(cameras, "TURN_S", 0.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    one = cameras.opened("one", tiny_pack, "onnxruntime-fp32", tiny_video, 1)
    own = cameras.opened("own", tiny_pack, "onnxruntime-fp32", tiny_video, None)
    assert [len(way.networks.detectors) for way in (one, own)] == [1, 2]
    for way in (one, own):
        found = cameras.rate(way)
        assert found.per_s > 0
        assert found.per_cpu_s == pytest.approx(found.per_s / found.cores)
        assert 0 < found.age_p50_ms <= found.age_p99_ms


def test_the_table_has_both_ways(tiny_pack: Path, tiny_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WARM_UP_S", "TURN_S"):
        monkeypatch.setattr(cameras, name, 0.2)
    monkeypatch.setattr(cameras, "TURNS", 1)
    text = cameras.measured(tiny_pack, "onnxruntime-fp32", tiny_video)
    assert "one detector, a thread" in text
    assert f"{len(os.sched_getaffinity(0))} detectors, a thread each" in text
