"""The faster precision is found by measuring, remembered for this machine, and asked for only when nobody chose."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge.infer.ladder import Ladder, Wish
from edge.infer.onnxrt import build
from edge.infer.onnxrt.cache import Timing
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import Gpu
from edge.modelpack import ModelPack
from tests.infer.packs import write_pack


def no_gpu() -> Gpu:
    raise RungError(Reason.NO_DRIVER, "none here")


@pytest.fixture
def pack(tmp_path: Path) -> ModelPack:
    return write_pack(tmp_path / "tiny.pack")


def test_both_are_measured_once_and_remembered(pack: ModelPack, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = build.remembered(pack, pack.detector, 1, cache)
    assert first.int8_ms > 0
    assert first.fp32_ms > 0
    (file,) = cache.iterdir()
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"int8_ms": 1.0, "fp32_ms": 100.0}))
    assert build.remembered(pack, pack.detector, 1, cache) == replace(first, int8_ms=1.0, fp32_ms=100.0)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"int8_ms": "fast"}'])
def test_a_broken_memory_is_measured_anew(pack: ModelPack, tmp_path: Path, broken: str) -> None:
    build.remembered(pack, pack.detector, 1, tmp_path)
    (file,) = tmp_path.glob("choice-*.json")
    file.write_text(broken)
    assert build.remembered(pack, pack.detector, 1, tmp_path).fp32_ms > 0
    assert json.loads(file.read_text())["fp32_ms"] > 0


def test_threads_and_machine_are_part_of_the_question(
    pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.remembered(pack, pack.detector, 1, tmp_path)
    build.remembered(pack, pack.detector, 2, tmp_path)
    monkeypatch.setattr(build, "_machine", lambda: "another board")
    assert build.remembered(pack, pack.detector, 1, tmp_path).machine == "another board"
    assert len(list(tmp_path.glob("choice-*.json"))) == 3


def test_without_a_cache_the_answer_is_the_same(
    pack: ModelPack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert build.remembered(pack, pack.detector, 1, blocked).fp32_ms > 0
    assert "measures again" in caplog.text


@pytest.mark.parametrize(
    ("int8_ms", "fp32_ms", "rung", "reasons"),
    [
        (5.0, 10.0, "onnxruntime-int8", []),
        (10.0, 5.0, "onnxruntime-fp32", [Reason.SLOWER]),
        (10.0, 10.1, "onnxruntime-fp32", [Reason.SLOWER]),  # not worth it
    ],
)
def test_the_ladder_takes_the_faster_one(
    pack: ModelPack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    int8_ms: float,
    fp32_ms: float,
    rung: str,
    reasons: list[Reason],
) -> None:
    monkeypatch.setattr(build, "remembered", lambda *_: Timing(int8_ms, fp32_ms, "this board"))
    backend = Ladder(Wish(backend="onnxruntime"), tmp_path, no_gpu).open(pack, "detector")
    assert backend.running.rung == rung
    assert [skip.reason for skip in backend.running.passed_over] == reasons
    backend.close()


@pytest.mark.parametrize("wish", [Wish(variant="int8"), Wish(require="onnxruntime-int8")])
def test_who_asks_for_int8_gets_it(
    pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: Wish
) -> None:
    monkeypatch.setattr(build, "remembered", lambda *_: Timing(10.0, 5.0, "this board"))
    backend = Ladder(wish, tmp_path, no_gpu).open(pack, "detector")
    assert backend.running.rung == "onnxruntime-int8"
    backend.close()
