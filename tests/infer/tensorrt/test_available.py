"""The probe: every way in which CUDA and TensorRT can be missing or broken is its own reason."""

from pathlib import Path
from typing import Any

import pytest

from edge.infer import child
from edge.infer.child import Outcome
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import mapped_libraries, probe, verdict
from tests.infer.conftest import FAKE


def examine(timeout_s: float = 30.0) -> Outcome:
    return child.call("edge.infer.tensorrt.available:examine", None, timeout_s=timeout_s)


@pytest.fixture
def board(host_cuda: Path, fake_tensorrt: None, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A simulated board on which all is well; the returned patch breaks it."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(host_cuda))
    return monkeypatch


def reason_of(outcome: Outcome) -> tuple[Reason, str]:
    with pytest.raises(RungError) as caught:
        verdict(outcome)
    return caught.value.reason, caught.value.detail


def test_a_board_where_all_is_well_tells_its_facts(board: pytest.MonkeyPatch) -> None:
    gpu = verdict(examine())
    assert (gpu.name, gpu.sm, gpu.sm_count, gpu.memory_bytes) == ("host memory", "8.7", 8, 1 << 30)
    assert (gpu.integrated, gpu.cuda, gpu.tensorrt) == (True, "12.6", "10.3.0")
    assert gpu.has_int8


@pytest.mark.parametrize(("sm", "has_int8"), [("53", False), ("62", False), ("72", True), ("87", True), ("110", True)])
def test_maxwell_and_pascal_jetsons_have_no_int8(board: pytest.MonkeyPatch, sm: str, has_int8: bool) -> None:
    board.setenv("HOST_CUDA_SM", sm)
    assert verdict(examine()).has_int8 is has_int8


def test_without_a_driver_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", none)
    monkeypatch.setattr(child, "call", None)
    with pytest.raises(RungError) as caught:
        probe()
    assert caught.value.reason is Reason.NO_DRIVER
    assert "libcuda.so.1" in caught.value.detail


@pytest.mark.parametrize(
    ("setting", "value", "reason", "detail"),
    [
        ("HOST_CUDA_INIT", "35", Reason.NO_DRIVER, "cuInit failed with error 35"),
        ("HOST_CUDA_DEVICES", "0", Reason.NO_DRIVER, "the driver sees no device"),
        ("FAKE_TENSORRT_VERSION", "8.5.2.2", Reason.TENSORRT_UNSUPPORTED, "TensorRT 8.5.2.2"),
        ("FAKE_TENSORRT", "no_builder", Reason.TENSORRT_BROKEN, "Builder: pybind11::init(): factory function returned"),
        (
            "FAKE_TENSORRT",
            "crash_builder",
            Reason.TENSORRT_BROKEN,
            "the builder stage of the probe was killed by SIGSEGV",
        ),
        ("FAKE_CUDA_INIT", "no context", Reason.PYCUDA_BROKEN, "no context"),
    ],
)
def test_what_is_broken_is_named(
    board: pytest.MonkeyPatch, setting: str, value: str, reason: Reason, detail: str
) -> None:
    board.setenv(setting, value)
    found, text = reason_of(examine())
    assert found is reason
    assert detail in text


def test_a_builder_that_hangs_is_a_timeout_that_names_the_stage(board: pytest.MonkeyPatch) -> None:
    board.setenv("FAKE_TENSORRT", "hang_builder")
    assert reason_of(examine(timeout_s=3.0)) == (Reason.TIMEOUT, "the builder stage of the probe did not end")


@pytest.mark.parametrize(("module", "reason"), [("tensorrt", Reason.NO_TENSORRT), ("pycuda", Reason.NO_PYCUDA)])
def test_what_is_not_installed_is_named(
    host_cuda: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, reason: Reason
) -> None:
    for name in {"tensorrt.py", "pycuda"} - {f"{module}.py", module}:
        (tmp_path / name).symlink_to(FAKE / name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(host_cuda))
    found, text = reason_of(examine())
    assert found is reason
    assert f"No module named '{module}'" in text


def test_a_library_that_the_bindings_miss_is_named(
    host_cuda: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = "libnvdla_compiler.so: cannot open shared object file: No such file or directory"
    (tmp_path / "tensorrt.py").write_text(f"raise ImportError({missing!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(host_cuda))
    assert reason_of(examine()) == (Reason.NO_TENSORRT, missing)


def test_a_child_killed_for_memory_is_a_reason() -> None:
    outcome = Outcome([{"stage": "builder"}], -9, "", out_of_memory=True)
    assert reason_of(outcome) == (Reason.OUT_OF_MEMORY, "the builder stage of the probe")


def test_libraries_are_named_with_their_full_versions() -> None:
    maps = (
        "7f00-7f10 r-xp 00000000 08:01 11 /usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0\n"
        "7f10-7f20 r--p 00000000 08:01 11 /usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0\n"
        "7f20-7f30 r-xp 00000000 08:01 12 /usr/local/cuda-12.6/lib64/libcudart.so.12.6.68\n"
        "7f30-7f40 rw-p 00000000 00:00 0\n"
        "7f40-7f50 r-xp 00000000 08:01 13 /usr/lib/aarch64-linux-gnu/libc.so.6\n"
    )
    assert mapped_libraries(maps) == ["libcudart.so.12.6.68", "libnvinfer.so.10.3.0"]
