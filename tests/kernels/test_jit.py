"""The compile policy: never recompiled for a new dtype, the same results without the compiler."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.kernels import jit


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_a_wrong_dtype_is_refused_and_numbas_own_setting_restored() -> None:
    from numba import config

    before = config.CACHE_DIR

    @jit.entry(jit.given("f4"), jit.buffer("f8"))
    def total(values: np.ndarray, out: np.ndarray) -> None:
        out[0] = values.sum()

    assert before == config.CACHE_DIR
    out = np.zeros(1)
    total(np.ones(3, np.float32), out)
    assert out[0] == 3
    with pytest.raises(TypeError, match="No matching definition"):
        total(np.ones(3), out)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bytetrack", "nanotrack", "sparsetrack"])
def test_kernels_compute_the_same_without_the_compiler(method: str) -> None:
    code = f"""
from edge import Tracker
from tests.track.scenes import crowd, outputs
import hashlib
for preset in ("default", "reference"):
    print(hashlib.sha256(repr(outputs(Tracker({method!r}, preset=preset), crowd(12, 40))).encode()).hexdigest())
"""
    compiled, plain = _python(code), _python(code, NUMBA_DISABLE_JIT="1")
    assert plain.returncode == compiled.returncode == 0, plain.stderr + compiled.stderr
    assert len(compiled.stdout.split()) == 2
    assert plain.stdout == compiled.stdout


@pytest.mark.slow
def test_no_kernel_of_tracking_reads_out_of_bounds(tmp_path: Path) -> None:
    """The tests of the association core once more, with every index checked; whole runs and timings are left out."""
    root = Path(__file__).parents[2]
    chosen = "not long_runs and not published and not outside and not ten_thousand"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen, "tests/track"],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
