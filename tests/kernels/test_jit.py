"""The compile policy: cached per sources, clear when the cache cannot be written, never recompiled for a new dtype."""

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


def test_an_unwritable_cache_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    code = """
from edge.errors import OutputError
try:
    import edge.track.methods.bytetrack
except OutputError as error:
    print(error)
"""
    done = _python(code, NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"))
    assert done.returncode == 0, done.stderr
    assert "cannot write to" in done.stdout
    assert "set NUMBA_CACHE_DIR" in done.stdout


def test_the_cache_belongs_to_the_sources(tmp_path: Path) -> None:
    source = tmp_path / "kernels.py"
    source.write_text("x = 1\n")
    before = jit.cache_folder.__wrapped__(tmp_path)
    assert before == jit.cache_folder.__wrapped__(tmp_path)
    source.write_text("x = 2\n")
    assert jit.cache_folder.__wrapped__(tmp_path) != before


def test_a_wrong_dtype_is_refused_and_numbas_own_setting_restored() -> None:
    from numba import config

    before = config.CACHE_DIR

    @jit.entry(jit.given("f4"), jit.buffer("f8"))
    def total(values, out):  # type: ignore[no-untyped-def]
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
