"""The CUDA layer on the real pycuda, built from source, over a CUDA driver of host memory.

It shows that contexts, page-locked and mapped memory, streams, events and clean-up are used as pycuda wants them. It
shows nothing of a GPU.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.infer.conftest import FAKE, HERE

pytestmark = pytest.mark.slow

PROGRAM = """
import ctypes, sys, threading
import numpy as np
from edge.infer.tensorrt.session import TensorRT
from tests.infer.tensorrt.test_session import expected, plan

driver = ctypes.CDLL("libcuda.so.1")
driver.host_cuda_allocated.restype = ctypes.c_long
backend = TensorRT({1: plan(1), 4: plan(4)})
held = driver.host_cuda_allocated()
print("graphs", driver.host_cuda_graphs(), backend.unrecorded)
crops = np.random.default_rng(1).integers(0, 256, backend.inputs["crops"].shape, np.uint8)

def check():
    for rows in (1, 3, 4):
        backend.inputs["crops"][:rows] = crops[:rows]
        backend.outputs["embedding"][...] = np.nan
        backend.run(rows)
        np.testing.assert_array_equal(backend.outputs["embedding"][:rows], expected(crops[:rows]))

check()
problems = []
def elsewhere():
    try:
        check()
    except BaseException as error:
        problems.append(repr(error))
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
print(problems, held, driver.host_cuda_allocated())
backend.close()
del backend
print("left", driver.host_cuda_allocated(), driver.host_cuda_graphs())
"""


@pytest.fixture(scope="module")
def pycuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pycuda, built as Dockerfile.jetson does it, and a whole libcuda.so.1 for it."""
    nvcc = next((path for path in Path("/usr/local").glob("cuda*/bin/nvcc")), None)
    if nvcc is None or shutil.which("gcc") is None:
        pytest.skip("no nvcc and gcc to build pycuda with")
    folder = tmp_path_factory.mktemp("pycuda")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    fetch = [*pip, "download", "--no-deps", "--no-binary", "pycuda", "-d", str(folder), "pycuda==2026.1"]
    if subprocess.run(fetch, capture_output=True, check=False).returncode:
        pytest.skip("pycuda: no source in the package index")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    _libcuda(folder, [])
    configure = [sys.executable, "configure.py", f"--cuda-root={nvcc.parents[1]}", "--no-cuda-enable-curand"]
    subprocess.run(configure, cwd=source, check=True, capture_output=True)
    environ = {**os.environ, "LIBRARY_PATH": str(folder)}
    install = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(source)]
    subprocess.run(install, env=environ, check=True, capture_output=True)
    (extension,) = (folder / "site/pycuda").glob("_driver*.so")
    undefined = subprocess.run(["nm", "-D", "-u", extension], capture_output=True, text=True, check=True).stdout
    _libcuda(folder, re.findall(r" U (cu[A-Z]\w+)$", undefined, re.M))
    (folder / "site/tensorrt.py").symlink_to(FAKE / "tensorrt.py")
    return folder


def _libcuda(folder: Path, names: list[str]) -> None:
    """Compile the driver, with "not supported" (801) for those of `names` that it does not have."""
    source = (HERE / "host_cuda.c").read_text("utf-8")
    rest = folder / "rest.c"
    rest.write_text("".join(f"int {n}(void) {{ return 801; }}\n" for n in names if f" {n}(" not in source))
    command = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(folder / "libcuda.so.1")]
    subprocess.run([*command, str(HERE / "host_cuda.c"), str(rest)], check=True)
    link = folder / "libcuda.so"
    link.unlink(missing_ok=True)
    link.symlink_to("libcuda.so.1")


def environment(pycuda: Path, **settings: str) -> dict[str, str]:
    """The environment of a process with pycuda and its driver."""
    path = os.pathsep.join([str(pycuda / "site"), str(HERE.parents[1])])
    return {**os.environ, "LD_LIBRARY_PATH": str(pycuda), "PYTHONPATH": path, **settings}


@pytest.mark.parametrize(("integrated", "allocations"), [("1", 2), ("0", 4)], ids=["shared memory", "own memory"])
def test_the_runner_is_right_frees_all_and_leaves_no_warning(pycuda: Path, integrated: str, allocations: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(pycuda, HOST_CUDA_INTEGRATED=integrated),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["graphs 2 {}", f"[] {allocations} {allocations}", "left 0 0"]
    assert done.stderr == ""


def test_a_process_that_closes_nothing_ends_without_a_warning(pycuda: Path) -> None:
    program = PROGRAM.partition("backend.close()")[0]
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(pycuda), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "found host memory"),
        ({"HOST_CUDA_INIT": "100"}, "no_driver cuInit failed with error 100"),
        ({"HOST_CUDA_DEVICES": "0"}, "no_driver the driver sees no device"),
    ],
)
def test_the_probe_passes_with_the_real_pycuda(pycuda: Path, settings: dict[str, str], expected: str) -> None:
    program = (
        "from edge.infer.tensorrt.available import probe\n"
        "from edge.infer.reasons import RungError\n"
        "try: print('found', probe().name)\n"
        "except RungError as error: print(error.reason.value, error.detail)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(pycuda, **settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_memory_that_is_not_there_is_named(pycuda: Path) -> None:
    program = (
        "from edge.infer.tensorrt.session import TensorRT\n"
        "from edge.infer.reasons import RungError\n"
        "from tests.infer.tensorrt.test_session import plan\n"
        "try: TensorRT({1: plan(1)})\n"
        "except RungError as error: print(error.reason.value)"
    )
    settings = {"HOST_CUDA_INTEGRATED": "0", "HOST_CUDA_LARGEST": "500"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(pycuda, **settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "out_of_memory"


def test_without_a_driver_the_import_of_pycuda_is_a_missing_driver(pycuda: Path) -> None:
    program = (
        "from edge.infer.tensorrt.cuda import driver\n"
        "from edge.infer.reasons import RungError\n"
        "try: driver()\n"
        "except RungError as error: print(error.reason.value, error.detail)"
    )
    environ = environment(pycuda, LD_LIBRARY_PATH="")
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no_driver libcuda.so.1: cannot open shared object file")
