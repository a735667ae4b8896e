"""Building on a simulated TensorRT: what is kept and why, for each family, and every way in which it can fail."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.infer import latency
from edge.infer.reasons import Reason, RungError, Skip
from edge.infer.tensorrt import cache
from edge.infer.tensorrt.available import Gpu
from edge.infer.tensorrt.build import Built, Limits, build_network, timing_cache_name, verdicts
from edge.infer.tensorrt.engines import engine_set
from edge.infer.tensorrt.measure import Measured, layer_precisions
from edge.modelpack import ModelPack
from tests.infer.packs import write_pack

pytestmark = pytest.mark.usefixtures("fake_tensorrt")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    return write_pack(tmp_path_factory.mktemp("packs") / "tiny.pack")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "engines"
    made.mkdir(mode=0o700)
    return made


def build(pack: ModelPack, folder: Path, gpu: Gpu, **limits: Any) -> tuple[list[Built], list[Skip]]:
    return build_network(pack, "detector", gpu, folder, Limits(measure_s=0.05, **limits), lambda text: None)


def figures(p50_ms: float, error: float | None = 0.0, limit: float | None = 0.1) -> Measured:
    return Measured(error, limit, {"1": p50_ms}, {"1": p50_ms}, {}, {}, 0)


@pytest.mark.parametrize(
    ("int8", "fp16", "expected"),
    [
        (figures(1), figures(2), {"int8": "kept", "fp16": "slower"}),
        (figures(2), figures(1), {"int8": "slower", "fp16": "kept"}),
        (figures(1, error=0.2), figures(2), {"int8": "golden_mismatch", "fp16": "kept"}),
        (figures(1, error=float("nan")), figures(2), {"int8": "golden_mismatch", "fp16": "kept"}),
        (figures(2), figures(1, error=0.2), {"int8": "kept", "fp16": "golden_mismatch"}),
        (figures(2, error=9), figures(1, error=9), {"int8": "golden_mismatch", "fp16": "golden_mismatch"}),
        (figures(1, None, None), figures(2, None, None), {"int8": "kept", "fp16": "slower"}),  # no golden file
    ],
)
def test_the_fastest_of_those_that_are_right_is_kept(int8: Measured, fp16: Measured, expected: dict[str, str]) -> None:
    assert verdicts({"int8": int8, "fp16": fp16}) == expected


def test_one_precision_alone_is_kept_if_it_is_right() -> None:
    assert verdicts({"fp16": figures(1)}) == {"fp16": "kept"}
    assert verdicts({}) == {}


@pytest.mark.parametrize(
    ("version", "variants"),
    [("8.6.1", {"int8": "qdq", "fp16": "fp32"}), ("10.3.0", {"int8": "qdq_fp16", "fp16": "fp16"})],
)
def test_each_family_builds_from_its_own_variants(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch, version: str, variants: dict[str, str]
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT_VERSION", version)
    monkeypatch.setenv("FAKE_TENSORRT", "slow_int8")
    gpu = dataclasses.replace(orin, tensorrt=version)
    built, skips = build(pack, folder, gpu)
    assert skips == []
    assert {b.precision: b.variant for b in built} == variants
    int8, fp16 = built
    assert (int8.verdict, fp16.verdict) == ("slower", "kept")
    assert int8.measured.layers == {"1": {"int8": 1}}
    assert fp16.measured.layers == {"1": {"fp16": 1}}
    assert int8.measured.reformats == {"1": 1}
    assert list(int8.measured.unrecorded) == ["1"]  # no driver here that could
    assert 0 < fp16.measured.p50_ms["1"] < int8.measured.p50_ms["1"]
    assert fp16.measured.error == pytest.approx(0, abs=1e-6)
    assert 0 < int8.measured.error < int8.measured.limit  # type: ignore[operator]
    key = engine_set(pack, "detector", "fp16", gpu).keys[1]
    assert cache.load(folder, key).startswith(b'{"shapes": {"image": [1, 16, 16, 3]}')
    with pytest.raises(RungError, match=r"int8 \d+\.\d+ ms, fp16 \d+\.\d+ ms") as caught:
        cache.load(folder, engine_set(pack, "detector", "int8", gpu).keys[1])
    assert caught.value.reason is Reason.SLOWER


def test_a_strongly_typed_network_is_told_so_and_a_weak_one_gets_flags(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, words in (("8.6.1", b'"flags": ["FP16"], "network": 1'), ("10.3.0", b'"flags": [], "network": 2')):
        monkeypatch.setenv("FAKE_TENSORRT_VERSION", version)
        gpu = dataclasses.replace(orin, tensorrt=version, sm="5.3")
        build(pack, folder, gpu)
        assert words in cache.load(folder, engine_set(pack, "detector", "fp16", gpu).keys[1])


def test_an_int8_engine_that_is_wrong_is_not_kept(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "wrong_int8")
    (int8, fp16), _ = build(pack, folder, orin)
    assert (int8.verdict, fp16.verdict) == ("golden_mismatch", "kept")
    assert int8.detail.startswith("relative error 4")


def test_nan_in_one_batch_size_alone_is_wrong_and_the_report_stays_json(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "nan_at_8")
    nano = dataclasses.replace(orin, sm="5.3")
    (built,), _ = build_network(pack, "reid", nano, folder, Limits(measure_s=0.05), lambda text: None)
    assert built.verdict == "golden_mismatch"
    assert built.as_dict()["measured"]["error"] is None
    json.dumps(built.as_dict(), allow_nan=False)


def test_a_board_without_int8_says_so_and_gets_fp16(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    nano = dataclasses.replace(orin, name="Nano", sm="5.3")
    built, skips = build(pack, folder, nano)
    assert [b.precision for b in built] == ["fp16"]
    assert [(s.rung, s.reason, s.detail) for s in skips] == [
        ("tensorrt-int8", Reason.NO_INT8_HARDWARE, "detector: Nano, compute capability 5.3")
    ]


def test_reid_gets_an_engine_for_each_batch_size(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    nano = dataclasses.replace(orin, sm="5.3")
    said: list[str] = []
    (built,), _ = build_network(pack, "reid", nano, folder, Limits(measure_s=0.05), said.append)
    assert list(built.measured.p50_ms) == ["1", "4", "8", "16"]
    assert len(list(folder.glob("*.plan"))) == 4
    assert "building reid fp16, batch 8" in said


@pytest.mark.parametrize(
    ("variants", "failed", "reason", "detail"),
    [
        (("fp32", "fp16"), (), Reason.VARIANT_MISSING, "detector: the detector has no variant qdq_fp16"),
        (
            ("fp32", "fp16", "qdq", "qdq_fp16"),
            ("qdq_fp16",),
            Reason.GATE_FAILED,
            "detector: the detector's qdq_fp16 fell",
        ),
    ],
)
def test_variants_that_are_missing_or_below_the_gate_are_not_built(
    tmp_path: Path, folder: Path, orin: Gpu, variants: Any, failed: Any, reason: Reason, detail: str
) -> None:
    built, (skip,) = build(write_pack(tmp_path / "p.pack", variants, failed, reid=False), folder, orin)
    assert [b.precision for b in built] == ["fp16"]
    assert (skip.rung, skip.reason) == ("tensorrt-int8", reason)
    assert skip.detail.startswith(detail)


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ("no_plan", Reason.BACKEND_FAILED, "could not find any implementation for node conv"),
        ("crash_builder", Reason.BACKEND_FAILED, "building detector fp16, batch 1 was killed by SIGSEGV"),
        ("crash_engine", Reason.BACKEND_FAILED, "measuring detector fp16 was killed by SIGSEGV"),
        ("no_engine", Reason.ENGINE_STALE, "Serialization assertion failed"),
        ("fail_run", Reason.BACKEND_FAILED, "TensorRT could not enqueue the network"),
    ],
)
def test_failures_are_reasons_and_leave_nothing_behind(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch, script: str, reason: Reason, detail: str
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", script)
    built, skips = build(pack, folder, dataclasses.replace(orin, sm="5.3"))
    assert built == []
    assert (skips[1].reason, skips[1].detail) == (reason, f"detector: {detail}")
    assert [p.name for p in folder.iterdir() if p.suffix != ".cache"] == []


def test_a_builder_that_hangs_is_ended(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "hang_builder")
    _, skips = build(pack, folder, dataclasses.replace(orin, sm="5.3"), timeout_s=2.0)
    assert skips[1].reason is Reason.TIMEOUT


def test_an_importer_that_refuses_is_quoted(tmp_path: Path, folder: Path, orin: Gpu) -> None:
    pack = write_pack(tmp_path / "p.pack", reid=False)
    (pack.folder / "detector.fp16.onnx").write_bytes(b"nothing")
    _, skips = build(pack, folder, dataclasses.replace(orin, sm="5.3"))
    assert (
        skips[1].detail == "detector: detector.fp16.onnx: TensorRT's importer refuses it: cannot parse the model more"
    )


def test_kernel_timings_are_kept_for_the_same_board_only(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    gpu = dataclasses.replace(orin, sm="5.3")
    key = engine_set(pack, "detector", "fp16", gpu).keys[1]
    for runs in (1, 2):
        build(pack, folder, gpu)
        assert (folder / timing_cache_name(key)).read_bytes() == b"." * runs
    assert timing_cache_name(dataclasses.replace(key, sm="8.7")) != timing_cache_name(key)
    assert timing_cache_name(dataclasses.replace(key, precision="int8")) == timing_cache_name(key)


def test_layer_precisions_are_read_from_what_the_inspector_writes() -> None:
    text = """{"Layers": [
      {"Name": "conv1", "LayerType": "CaskConvolution",
       "Inputs": [{"Name": "a", "Format/Datatype": "Four wide channel vectorized row major Int8"}],
       "Outputs": [{"Name": "b", "Format/Datatype": "Row major linear FP32"}]},
      {"Name": "conv2", "LayerType": "CaskConvolution", "Inputs": [{"Format": "NC/2HW2", "Datatype": "Half"}]},
      {"Name": "conv3", "LayerType": "CaskConvolution", "Inputs": [{"Format/Datatype": "Row major linear FP32"}]},
      {"Name": "constant", "LayerType": "Constant", "Inputs": []},
      {"Name": "Reformatting CopyNode for Input Tensor 0 to conv1", "LayerType": "NoOp", "Inputs": []},
      {"Name": "r", "LayerType": "Reformat", "Inputs": []}, "a name alone"], "Bindings": ["a"]}"""
    counts, reformats = layer_precisions(text)
    assert counts == {"int8": 1, "fp16": 1, "fp32": 1, "unknown": 2}
    assert reformats == 2


def test_latencies_are_of_enough_runs() -> None:
    class Slow:
        runs = 0

        def run(self, batch: int | None = None) -> None:
            self.runs += 1

    backend = Slow()
    times_ms = latency.latencies_ms(backend, 1, measure_s=0.0)  # type: ignore[arg-type]
    assert len(times_ms) == latency.LEAST_RUNS
    assert backend.runs == latency.LEAST_RUNS + latency.WARM_UP_RUNS
    assert np.all(np.array(times_ms) >= 0)
