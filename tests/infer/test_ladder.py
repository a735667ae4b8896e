"""The ladder on a simulated board: which rung is taken, what the others answer, and what --require makes of it."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import DataError, UnavailableError, UsageError
from edge.infer.ladder import LADDER, ON_REQUEST, Ladder, Wish
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt import cache
from edge.infer.tensorrt.available import Gpu
from edge.infer.tensorrt.engines import engine_set
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


def store(pack: ModelPack, folder: Path, gpu: Gpu, *precisions: Any, network: Any = "detector") -> None:
    """Engines as a build would leave them, without the measuring."""
    for precision in precisions:
        wanted = engine_set(pack, network, precision, gpu)
        for key in wanted.keys.values():
            head = json.dumps({"shapes": key.input_shapes, "flags": []}).encode()
            cache.store(folder, key, head + b"\n" + pack.path(wanted.variant).read_bytes())


def reasons(ladder: Ladder, pack: ModelPack) -> tuple[str, dict[str, str]]:
    backend = ladder.open(pack, "detector")
    backend.close()
    passed_over = {skip.rung: skip.reason.value for skip in backend.running.passed_over}
    return backend.running.rung, {rung: why for rung, why in passed_over.items() if why != "no_openvino"}


def no_gpu() -> Gpu:
    raise RungError(Reason.NO_DRIVER, "libcuda.so.1")


def test_the_ladder_has_the_documented_rungs_in_order() -> None:
    assert [r.name for r in LADDER] == [
        *("tensorrt-int8", "tensorrt-fp16"),
        *("openvino-bf16", "openvino-int8", "openvino-fp32"),
        *("onnxruntime-int8", "onnxruntime-fp32"),
    ]


def test_the_best_rung_with_an_engine_is_taken(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    ladder = Ladder(Wish(), folder, lambda: orin)
    missing = {"tensorrt-int8": "engine_missing", "tensorrt-fp16": "engine_missing"}
    assert reasons(ladder, pack) == ("onnxruntime-int8", missing)
    store(pack, folder, orin, "fp16")
    assert reasons(ladder, pack) == ("tensorrt-fp16", {"tensorrt-int8": "engine_missing"})
    store(pack, folder, orin, "int8")
    assert reasons(ladder, pack) == ("tensorrt-int8", {})


def test_every_rung_computes_the_same_network(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    store(pack, folder, orin, "fp16", "int8")
    found = {}
    for rung in (rung for rung in LADDER if rung.backend != "openvino"):  # its own tests are in openvino/
        backend = Ladder(Wish(require=rung.name), folder, lambda: orin).open(pack, "detector")
        backend.inputs["image"][...] = np.random.default_rng(3).integers(0, 256, (1, 16, 16, 3))
        backend.run()
        found[rung.name] = np.array(backend.outputs["distances"])
        backend.close()
    reference = found["onnxruntime-fp32"]
    for name, value in found.items():
        assert np.linalg.norm(value - reference) < 0.1 * np.linalg.norm(reference), name


def test_without_a_gpu_both_rungs_say_so_and_it_is_looked_for_once(pack: ModelPack, folder: Path) -> None:
    looked = []

    def look() -> Gpu:
        looked.append(1)
        return no_gpu()

    ladder = Ladder(Wish(), folder, look)
    for _ in range(2):
        rung, why = reasons(ladder, pack)
    assert (rung, why) == ("onnxruntime-int8", {"tensorrt-int8": "no_driver", "tensorrt-fp16": "no_driver"})
    assert looked == [1]


def test_nobody_looks_for_a_gpu_that_nobody_wants(pack: ModelPack, folder: Path) -> None:
    def look() -> Gpu:
        raise AssertionError("looked")

    rung, _ = reasons(Ladder(Wish(backend="onnxruntime"), folder, look), pack)
    assert rung == "onnxruntime-int8"


def test_a_stale_engine_names_the_field_and_the_cpu_works_on(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    store(pack, folder, orin, "int8", "fp16")
    after_update = dataclasses.replace(orin, driver="L4T 39.2")
    backend = Ladder(Wish(), folder, lambda: after_update).open(pack, "detector")
    assert backend.running.rung == "onnxruntime-int8"
    passed_over = [s for s in backend.running.passed_over if s.rung.startswith("tensorrt")]
    assert [(s.reason, s.detail) for s in passed_over] == [
        (Reason.ENGINE_STALE, "driver: built for L4T 36.4.3, now L4T 39.2")
    ] * 2
    backend.close()


def test_an_engine_that_computes_something_else_is_not_used(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(pack, folder, orin, "int8", "fp16")
    monkeypatch.setenv("FAKE_TENSORRT", "wrong_int8")
    assert reasons(Ladder(Wish(), folder, lambda: orin), pack) == (
        "tensorrt-fp16",
        {"tensorrt-int8": "golden_mismatch"},
    )


def test_variants_below_the_gate_are_never_automatic(tmp_path: Path, folder: Path) -> None:
    pack = write_pack(tmp_path / "p.pack", failed=("int8",))
    rung, why = reasons(Ladder(Wish(backend="onnxruntime"), folder, no_gpu), pack)
    assert (rung, why) == ("onnxruntime-fp32", {"onnxruntime-int8": "gate_failed"})
    assert reasons(Ladder(Wish(backend="onnxruntime", variant="int8"), folder, no_gpu), pack)[0] == "onnxruntime-int8"


@pytest.mark.parametrize(
    ("wish", "rungs"),
    [
        (Wish(), [0, 1, 2, 3, 4, 5, 6]),
        (Wish(backend="tensorrt"), [0, 1]),
        (Wish(backend="openvino"), [2, 3, 4]),
        (Wish(backend="onnxruntime"), [5, 6]),
        (Wish(variant="int8"), [0, 3, 5]),
        (Wish(variant="fp32"), [1, 2, 4, 6]),
        (Wish(require="tensorrt"), [0, 1]),
        (Wish(require="tensorrt-fp16"), [1]),
        (Wish(require="openvino"), [2, 3, 4]),
        (Wish(require="openvino-bf16"), [2]),
        (Wish(backend="onnxruntime", variant="fp32"), [6]),
    ],
)
def test_what_is_asked_for_is_what_is_tried(wish: Wish, rungs: list[int]) -> None:
    assert [i for i, rung in enumerate(LADDER) if wish.allows(rung)] == rungs


@pytest.mark.parametrize(
    ("wish", "relaxed"),
    [
        (Wish(), Wish()),
        (Wish(variant="int8", threads=3), Wish(threads=3)),
        (Wish(variant="fp32"), Wish(variant="fp32")),
        (Wish(require="tensorrt-int8"), Wish(backend="tensorrt")),
        (Wish(require="onnxruntime-int8"), Wish(backend="onnxruntime")),
        (Wish(backend="onnxruntime-cuda"), Wish(backend="onnxruntime-cuda")),
    ],
)
def test_the_network_beside_the_detector_keeps_the_library_and_has_its_own_precision(wish: Wish, relaxed: Wish) -> None:
    assert wish.relaxed() == relaxed


def test_a_requirement_that_fails_is_exit_69_with_reason_and_command(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    with pytest.raises(UnavailableError) as caught:
        Ladder(Wish(require="tensorrt-int8"), folder, lambda: orin).open(pack, "detector")
    assert caught.value.exit_code == 69
    assert "tensorrt-int8: engine_missing" in str(caught.value)
    assert f"run nanotrack build {pack.folder} on this board" in str(caught.value)


def test_a_requirement_does_not_give_way_in_mid_stream(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(pack, folder, orin, "int8")
    backend = Ladder(Wish(require="tensorrt-int8"), folder, lambda: orin).open(pack, "detector")
    backend.run()
    monkeypatch.setenv("FAKE_TENSORRT", "fail_run")
    with pytest.raises(UnavailableError, match="tensorrt-int8: backend_failed"):
        backend.run()


def test_a_gpu_that_dies_in_mid_stream_leaves_the_cpu_in_charge(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store(pack, folder, orin, "int8", "fp16")
    backend = Ladder(Wish(), folder, lambda: orin).open(pack, "detector")
    image, logits = backend.inputs["image"], backend.outputs["class_logits"]
    image[...] = np.random.default_rng(4).integers(0, 256, image.shape)
    backend.run()
    before = np.array(logits)
    monkeypatch.setenv("FAKE_TENSORRT", "fail_run")
    with caplog.at_level(logging.WARNING):
        backend.run()
    assert backend.running.rung == "onnxruntime-int8"
    np.testing.assert_allclose(logits, before, rtol=0.2, atol=30)
    passed_over = [s.rung for s in backend.running.passed_over if s.reason is not Reason.NO_OPENVINO]
    assert passed_over == ["tensorrt-int8", "tensorrt-fp16"]
    assert caplog.messages[-1] == "going on with onnxruntime-int8"
    backend.close()


def test_what_only_the_pack_lacks_is_a_data_error(tmp_path: Path, folder: Path) -> None:
    pack = write_pack(tmp_path / "p.pack", variants=("fp32",))
    with pytest.raises(DataError, match="onnxruntime-int8: variant_missing") as caught:
        Ladder(Wish(backend="onnxruntime", variant="int8"), folder, no_gpu).open(pack, "detector")
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("wrong", [{"require": "tensorrt-fp8"}, {"backend": "onnxruntime", "require": "tensorrt"}])
def test_wishes_that_cannot_be_met_anywhere_are_wrong_usage(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=wrong["require"]):
        Wish(**wrong)


@pytest.mark.parametrize("how", [{"backend": "onnxruntime-cuda"}, {"require": "onnxruntime-cuda"}])
def test_a_provider_that_this_onnxruntime_lacks_is_named(pack: ModelPack, folder: Path, how: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match=r"onnxruntime-cuda: no_provider \(expected CUDAExecutionProvider, ONNX"):
        Ladder(Wish(**how), folder, no_gpu).open(pack, "detector")


def test_a_provider_is_used_when_it_is_asked_for(
    pack: ModelPack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    # Any provider beside the CPU's that this build has stands in for CUDA's.
    other = next((p for p in onnxruntime.get_available_providers() if p != "CPUExecutionProvider"), None)
    if other is None:
        pytest.skip("this ONNX Runtime has only the CPU")
    rung = next(rung for rung in ON_REQUEST if rung.name == "onnxruntime-cuda")
    monkeypatch.setitem(ON_REQUEST, rung, other)
    backend = Ladder(Wish(backend="onnxruntime-cuda"), folder, no_gpu).open(pack, "detector")
    assert (backend.running.rung, backend.running.passed_over) == ("onnxruntime-cuda", ())
    backend.close()


def test_a_provider_that_is_dropped_silently_is_noticed(
    pack: ModelPack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(UnavailableError, match="could not load CUDAExecutionProvider"),
    ):
        Ladder(Wish(backend="onnxruntime-cuda"), folder, no_gpu).open(pack, "detector")


def test_reid_runs_on_engines_by_batch_size(pack: ModelPack, folder: Path, orin: Gpu) -> None:
    store(pack, folder, orin, "fp16", network="reid")
    backend = Ladder(Wish(), folder, lambda: orin).open(pack, "reid", 16)
    assert backend.running.rung == "tensorrt-fp16"
    assert backend.inputs["crops"].shape == (16, 16, 16, 3)
    backend.run(3)
    backend.close()


def test_tracks_live_on_when_the_gpu_dies(
    pack: ModelPack, folder: Path, orin: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.detect.detector import Detector
    from edge.track.tracker import Tracker

    store(pack, folder, orin, "int8", "fp16")
    network = Ladder(Wish(), folder, lambda: orin).open(pack, "detector")
    detector, tracker = Detector(pack.detector, network), Tracker("bytetrack", frame_rate=30.0)
    image = np.zeros((16, 16, 3), np.uint8)
    image[8:, 8:] = 255  # the one cell in which the tiny network sees somebody
    seen = []
    for number in range(12):
        if number == 6:
            monkeypatch.setenv("FAKE_TENSORRT", "fail_run")
        ids = tracker.update(detector(image)).ids.tolist()
        seen.append((network.running.rung, ids))
    assert [rung for rung, _ in seen] == ["tensorrt-int8"] * 6 + ["onnxruntime-int8"] * 6
    assert {tuple(ids) for _, ids in seen[3:]} == {(1,)}
    network.close()
