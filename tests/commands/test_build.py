"""`nanotrack build`, `selftest` and `doctor` as a user runs them, on a simulated board and on one without a GPU."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.modelpack import ModelPack
from tests.infer.conftest import FAKE
from tests.infer.conftest import host_cuda as host_cuda  # the fixture
from tests.infer.packs import write_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    return write_pack(tmp_path_factory.mktemp("packs") / "tiny.pack", reid=False)


class Board:
    """A machine on which `nanotrack` commands are run, with a cache of its own."""

    def __init__(self, cache: Path, **environment: str) -> None:
        self.cache = cache
        self.environment = {**os.environ, "NANOTRACK_CACHE_DIR": str(cache), "COLUMNS": "150", **environment}

    def run(self, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "edge.cli", *map(str, arguments)]
        return subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, check=False
        )


def _orin(cache: Path, host_cuda: Path) -> Board:
    path = os.pathsep.join([str(FAKE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return Board(cache, LD_LIBRARY_PATH=str(host_cuda), PYTHONPATH=path, FAKE_TENSORRT="slow_int8")


@pytest.fixture
def orin(tmp_path: Path, host_cuda: Path) -> Board:
    """A simulated board before its first build."""
    return _orin(tmp_path / "cache", host_cuda)


@pytest.fixture(scope="module")
def built_cache(tmp_path_factory: pytest.TempPathFactory, host_cuda: Path, pack: ModelPack) -> Path:
    """The cache that `nanotrack build` left on the simulated board, with what it printed beside it."""
    folder = tmp_path_factory.mktemp("built")
    built = _orin(folder / "cache", host_cuda).run("build", pack.folder)
    assert built.returncode == 0, built.stderr
    (folder / "cache" / "printed").write_text(built.stdout)
    return folder / "cache"


@pytest.fixture
def built(orin: Board, built_cache: Path) -> Board:
    """A board after its build."""
    shutil.copytree(built_cache, orin.cache)
    return orin


@pytest.fixture
def laptop(tmp_path: Path) -> Board:
    return Board(tmp_path / "cache")


def test_before_a_build_doctor_names_the_command(orin: Board, pack: ModelPack) -> None:
    page = json.loads(orin.run("doctor", pack.folder, "--json").stdout)
    assert [r["reason"] for r in page["rungs"][:2]] == ["engine_missing", "engine_missing"]
    assert page["rungs"][0]["remedy"] == f"run nanotrack build {pack.folder} on this board"


def test_a_build_keeps_the_faster_engine_and_reports(built: Board) -> None:
    printed = (built.cache / "printed").read_text()
    assert "slower" in printed
    assert "kept" in printed
    report = json.loads((built.cache / "engines" / "report-tiny.pack.json").read_text())
    assert [(e["precision"], e["verdict"]) for e in report["engines"]] == [("int8", "slower"), ("fp16", "kept")]
    assert report["engines"][1]["measured"]["layers"] == {"1": {"fp16": 1}}
    assert report["gpu"]["sm"] == "8.7"
    assert "power_mode" in report["board"]


def test_after_a_build_selftest_proves_every_rung(built: Board, pack: ModelPack) -> None:
    tested = built.run("selftest", pack.folder, "--json", "--seconds", "0.05")
    assert tested.returncode == 0, tested.stderr
    results = {r["rung"]: r for r in json.loads(tested.stdout)["results"]}
    assert results["tensorrt-int8"]["reason"] == "slower"
    assert results["tensorrt-fp16"]["layers"] == {"fp16": 1, "reformat": 1}
    for rung in ("tensorrt-fp16", "onnxruntime-int8", "onnxruntime-fp32"):
        assert results[rung]["reason"] is None
        assert results[rung]["error"] <= results[rung]["limit"]
        assert 0 < results[rung]["p50_ms"] <= results[rung]["p99_ms"]


def test_after_a_build_doctor_finds_the_engine(built: Board, pack: ModelPack) -> None:
    page = json.loads(built.run("doctor", pack.folder, "--json").stdout)
    usable = {r["rung"]: r["usable"] for r in page["rungs"]}
    assert not usable["tensorrt-int8"]
    assert usable["tensorrt-fp16"]
    assert usable["onnxruntime-fp32"]
    assert {f["topic"] for f in page["findings"]} >= {"GPU", "CUDA", "TensorRT", "kernels", "engines"}


def test_a_wrong_rung_is_exit_65_and_named(built: Board, pack: ModelPack) -> None:
    tested = built.run("selftest", pack.folder, "--seconds", "0.05", FAKE_TENSORRT="wrong_fp16")
    assert tested.returncode == 65
    assert "not what the pack's golden output says: detector on tensorrt-fp16" in tested.stderr


def test_a_build_of_which_nothing_comes_is_exit_69_with_the_words_of_tensorrt(orin: Board, pack: ModelPack) -> None:
    built = orin.run("build", pack.folder, FAKE_TENSORRT="no_plan")
    assert built.returncode == 69
    assert "could not find any implementation for node conv" in built.stderr
    assert not list((orin.cache / "engines").glob("*.plan"))


def test_without_a_gpu_build_says_why_and_is_exit_69(laptop: Board, pack: ModelPack) -> None:
    built = laptop.run("build", pack.folder)
    assert built.returncode == 69
    assert built.stderr.startswith("nanotrack build: no_driver (libcuda.so.1: ")
    assert "Traceback" not in built.stderr
    assert not laptop.cache.exists()


def test_without_a_gpu_selftest_proves_the_cpu(laptop: Board, pack: ModelPack) -> None:
    tested = laptop.run("selftest", pack.folder, "--seconds", "0.05")
    assert tested.returncode == 0, tested.stderr
    lines = tested.stdout.splitlines()
    assert [line.split()[2] for line in lines[1:5]] == ["no_driver", "no_driver", "right", "right"]
    assert sum(line.startswith("no_driver: libcuda.so.1") for line in lines) == 1


@pytest.mark.parametrize("flags", [["--threads", "0"], ["--seconds", "0"]])
def test_selftest_refuses_nonsense(laptop: Board, pack: ModelPack, flags: list[str]) -> None:
    assert laptop.run("selftest", pack.folder, *flags).returncode == 64


def test_build_refuses_nonsense_and_missing_packs(laptop: Board, pack: ModelPack, tmp_path: Path) -> None:
    assert laptop.run("build", pack.folder, "--timeout-s", "0").returncode == 64
    missing = laptop.run("build", tmp_path / "none.pack")
    assert missing.returncode == 66
    assert "nanotrack-export pack makes one" in missing.stderr
