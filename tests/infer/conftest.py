"""Fixtures that stand in for a GPU: a simulated TensorRT and pycuda, and a CUDA driver made of host memory."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.infer.tensorrt.available import Gpu

HERE = Path(__file__).parent
FAKE = HERE / "fake"


@pytest.fixture
def fake_tensorrt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`import tensorrt` and `import pycuda.driver` give the simulated ones, here and in child processes."""
    with monkeypatch.context() as patch:
        patch.syspath_prepend(FAKE)
        _forget()
        yield
    _forget()


def _forget() -> None:
    for name in ("tensorrt", "pycuda", "pycuda.driver"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def host_cuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libcuda.so.1 that works on host memory, for LD_LIBRARY_PATH."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to compile the driver of host memory with")
    folder = tmp_path_factory.mktemp("host-cuda")
    _compile(folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1")
    return folder


@pytest.fixture(scope="session")
def host_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same driver under a name of its own: loaded into this process, nobody takes it for the system's."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to compile the driver of host memory with")
    path = tmp_path_factory.mktemp("host-graphs") / "libhostgraphs.so"
    _compile(path)
    return path


def _compile(path: Path, *flags: str) -> None:
    subprocess.run(["gcc", "-shared", "-fPIC", *flags, "-o", path, HERE / "host_cuda.c"], check=True)


@pytest.fixture
def orin() -> Gpu:
    """The facts of a made-up Orin with TensorRT 10.3."""
    return Gpu(
        name="host memory",
        sm="8.7",
        sm_count=8,
        memory_bytes=1 << 30,
        integrated=True,
        cuda="12.6",
        driver="L4T 36.4.3",
        tensorrt="10.3.0",
        libraries=("libnvinfer.so.10.3.0",),
    )


@pytest.fixture(autouse=True)
def int8_is_faster(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Toy networks are as fast on every rung; measuring is tested in onnxrt/test_build.py and in openvino/."""
    if request.module.__name__ != "tests.infer.onnxrt.test_build":
        monkeypatch.setattr("edge.infer.onnxrt.build.require_faster", lambda *_: None)
    if not request.module.__name__.startswith("tests.infer.openvino"):
        monkeypatch.setattr("edge.infer.openvino.available.installed", lambda package: "")
