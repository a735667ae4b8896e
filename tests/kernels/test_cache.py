"""The cache of compiled code: of these sources, whole, and nobody else's; else it is not used, and that is said."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.kernels import cache, private

SUM = """
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
from edge.errors import OutputError
from edge.kernels import jit
try:
    import kernels
    print(kernels.total(range(4)), "stored" if jit.was_stored(kernels.sum_of) else "compiled")
except OutputError as error:
    print(error)
"""
KERNELS = """
import numpy as np
from edge.kernels.jit import entry, given, buffer
@entry(given("i8"), buffer("i8"))
def sum_of(values, out):
    for value in values:
        out[0] += value
def total(values):
    out = np.zeros(1, np.int64)
    sum_of(np.array(values), out)
    return int(out[0])
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module that compiles, and beside it a cache with its code."""
    folder = tmp_path_factory.mktemp("compiled") / "project"
    folder.mkdir()
    (folder / "kernels.py").write_text(KERNELS, "utf-8")
    assert _run(folder) == ("6 compiled", "")
    assert _run(folder) == ("6 stored", "")
    return folder


@pytest.fixture
def place(compiled: Path, tmp_path: Path) -> Path:
    """A copy of that cache."""
    return Path(shutil.copytree(compiled.parent / "cache", tmp_path / "cache"))


def _run(project: Path, place: Path | None = None, code: str = SUM, **environment: str) -> tuple[str, str]:
    """What an interpreter prints that uses the module with its cache in `place`, and what it logs."""
    known = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    known["PYTHONPATH"] = str(Path(cache.__file__).parents[2])
    if not environment:
        known["NUMBA_CACHE_DIR"] = str(place or project.parent / "cache")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**known, **environment},
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.strip()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.nbc", lambda path: path.write_bytes(b"")),
        ("*.nbc", _cut),
        ("*.nbc", _flip),
        ("*.nbc", lambda path: path.write_bytes(bytes(path.stat().st_size))),
        ("*.nbc", Path.unlink),
        ("*.nbi", lambda path: path.write_bytes(b"")),
        ("*.nbi", _cut),
        ("*.nbi", _flip),
        ("*.sum", lambda path: path.write_bytes(b"\xff")),
        ("*.sum", Path.unlink),
    ],
)
def test_damaged_code_is_deleted_said_once_and_compiled_anew(
    compiled: Path, place: Path, pattern: str, damage: Callable[[Path], object]
) -> None:
    (path,) = place.rglob(pattern)
    damage(path)
    shown, log = _run(compiled, place)
    assert shown == "6 compiled"
    assert log.count("the compiled code is damaged: deleted, and compiled again") == 1
    assert "\n" not in log
    if damage is _cut:
        assert _run(compiled, place) == ("6 stored", "")


def test_the_cache_belongs_to_the_sources(tmp_path: Path) -> None:
    source = tmp_path / "kernels.py"
    source.write_text("x = 1\n")
    before = cache.cache_folder.__wrapped__(tmp_path)
    assert before == cache.cache_folder.__wrapped__(tmp_path)
    source.write_text("x = 2\n")
    assert cache.cache_folder.__wrapped__(tmp_path) != before


def test_a_folder_that_is_no_package_is_not_searched_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "other.py").write_text("x = 1\n")
    before = cache.cache_folder.__wrapped__(tmp_path)
    (tmp_path / "below" / "other.py").write_text("x = 2\n")
    assert cache.cache_folder.__wrapped__(tmp_path) == before
    (tmp_path / "__init__.py").write_text("")
    assert cache.room_of(tmp_path / "method.py") == tmp_path
    assert cache.cache_folder.__wrapped__(tmp_path) != before


def test_an_unwritable_cache_is_one_clear_sentence(compiled: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    shown, _ = _run(compiled, file / "cache")
    assert "cannot write to" in shown
    assert "set NUMBA_CACHE_DIR" in shown


def test_code_that_others_can_write_is_refused(compiled: Path, place: Path) -> None:
    (folder,) = place.iterdir()
    folder.chmod(0o777)
    shown, _ = _run(compiled, place)
    assert f"{folder} can be written by others (mode 777): its code is not trusted; set NUMBA_CACHE_DIR" in shown
    folder.chmod(0o700)
    place.chmod(0o777)  # they could put another folder in its place
    assert "can be written by others" in _run(compiled, place)[0]
    place.chmod(0o1777)  # as in /tmp, where they cannot
    assert _run(compiled, place)[0] == "6 stored"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_code_of_somebody_else_is_refused(compiled: Path, place: Path) -> None:
    (folder,) = place.iterdir()
    os.chown(folder, 4_000_000, -1)
    assert f"{folder} belongs to user 4000000: its code is not trusted" in _run(compiled, place)[0]


def test_a_user_without_a_home_has_a_cache_and_hears_where(compiled: Path, tmp_path: Path) -> None:
    """No HOME, and a user that the system does not know."""
    unknown = "import pwd\ndef unknown(uid):\n    raise KeyError(uid)\npwd.getpwuid = unknown\n"
    place = tmp_path / f"nanotrack-{os.geteuid()}"
    shown, log = _run(compiled, code=unknown + SUM, TMPDIR=str(tmp_path))
    assert shown == "6 compiled"
    assert log.startswith(f"WARNING this user has no home folder: caches go to {place} and are lost at a restart")
    assert "\n" not in log
    place.chmod(0o777)
    assert "can be written by others" in _run(compiled, code=unknown + SUM, TMPDIR=str(tmp_path))[0]


def test_a_full_disk_costs_the_cache_and_not_the_result(compiled: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    limit = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    shown, log = _run(compiled, tmp_path / "cache", limit + SUM)
    assert shown == "6 compiled"
    assert "cannot be kept" in log
    assert _run(compiled, tmp_path / "cache")[0] == "6 compiled"


def test_private_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o775)
    monkeypatch.setattr(private, "is_private_group", lambda uid, gid: True)
    private.require_private(folder)
    monkeypatch.setattr(private, "is_private_group", lambda uid, gid: False)
    with pytest.raises(private.UntrustedError, match="can be written by others"):
        private.require_private(folder)
