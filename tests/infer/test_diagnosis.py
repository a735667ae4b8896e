"""The diagnosis names what is broken and the command that mends it, and never stumbles over it."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from edge.cli import main
from edge.commands import doctor
from edge.infer import diagnosis, storage
from edge.infer.diagnosis import Finding, RungState, next_command, opencv_findings, rung_states
from edge.infer.ladder import Ladder, Wish
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import Gpu
from tests.infer.conftest import orin as orin  # a fixture
from tests.infer.packs import write_pack
from tests.test_board import tree

WITHOUT_GSTREAMER = "  Video I/O:\n    FFMPEG:                      YES\n    GStreamer:                   NO\n"
JETPACKS = "  Video I/O:\n    FFMPEG:                      YES\n    GStreamer:                   YES (1.20.3)\n"


def opencv(build: str) -> Any:
    return lambda: SimpleNamespace(__version__="4.8.0", getBuildInformation=lambda: build)


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


def no_gpu() -> Gpu:
    raise RungError(Reason.NO_DRIVER, "libcuda.so.1")


def test_two_opencv_packages_are_broken_with_the_command_that_mends_it() -> None:
    packages = {"opencv-python": "5.0.0", "opencv-python-headless": "4.12.0"}
    first, *_ = opencv_findings(packages, opencv(WITHOUT_GSTREAMER))
    assert (first.topic, first.state) == ("OpenCV", "broken")
    assert "opencv-python 5.0.0 and opencv-python-headless 4.12.0" in first.text
    assert first.remedy == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python-headless"
    )


def test_one_opencv_is_good_and_its_missing_gstreamer_is_named() -> None:
    found = by_topic(opencv_findings({"opencv-python-headless": "4.8.0"}, opencv(WITHOUT_GSTREAMER)))
    assert (found["OpenCV"].state, found["OpenCV"].text) == ("good", "4.8.0")
    assert found["GStreamer"].state == "lacking"
    assert "csi://" in found["GStreamer"].text
    assert "FFmpeg" not in found


def test_jetpacks_opencv_has_all() -> None:
    found = by_topic(opencv_findings({}, opencv(JETPACKS)))
    assert (found["GStreamer"].state, found["GStreamer"].text) == ("good", "1.20.3")


def test_an_opencv_without_ffmpeg_is_named() -> None:
    assert by_topic(opencv_findings({}, opencv("GStreamer: NO")))["FFmpeg"].state == "lacking"


def test_the_empty_cv2_that_an_uninstall_leaves_is_broken() -> None:
    (found,) = opencv_findings({}, lambda: SimpleNamespace())
    assert (found.state, found.remedy) == ("broken", "pip install opencv-python-headless")

    def missing() -> Any:
        raise ImportError("No module named 'cv2'")

    (found,) = opencv_findings({}, missing)
    assert found.text == "No module named 'cv2'"


def test_a_board_is_described_and_its_troubles_named(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/meminfo": "MemTotal:        3884368 kB\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "87000\n",
        },
    )
    found = by_topic(diagnosis.board_findings(root))
    assert found["board"].text.startswith("Raspberry Pi 4 Model B Rev 1.4, ")
    assert found["board"].text.endswith("3.7 GiB")
    assert found["int8"].state == "note"
    assert found["throttling"].state == "broken"
    assert (found["hottest"].state, found["hottest"].text) == ("note", "cpu-thermal 87 °C")


@pytest.mark.parametrize(
    ("line", "state"), [("R36 (release), REVISION: 4.3", "good"), ("R35 (release), REVISION: 4.1", "lacking")]
)
def test_old_jetpacks_are_named(tmp_path: Path, line: str, state: str) -> None:
    root = tree(tmp_path, {"etc/nv_tegra_release": f"# {line}, GCID: 1"})
    assert by_topic(diagnosis.board_findings(root))["JetPack"].state == state


def test_a_camera_that_may_not_be_opened_is_broken(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"sys/class/video4linux/video0/name": "cam\n", "sys/class/video4linux/video1/name": "x\n", "dev/video0": ""},
    )
    first, second = diagnosis.camera_findings(root)
    assert (first.topic, first.state) == ("/dev/video0", "good")
    assert (second.topic, second.state) == ("/dev/video1", "broken")
    assert "group video" in second.remedy
    (none,) = diagnosis.camera_findings(tmp_path / "nothing")
    assert none.state == "note"


def test_a_gpu_is_described(orin: Gpu) -> None:
    found = by_topic(diagnosis.gpu_findings(Ladder(Wish(), look=lambda: orin)))
    assert found["GPU"].text == "host memory, compute capability 8.7, INT8 and FP16"
    assert found["CUDA"].text == "12.6, L4T 36.4.3"
    (missing,) = diagnosis.gpu_findings(Ladder(Wish(), look=no_gpu))
    assert missing.text == "no_driver: libcuda.so.1"


def test_what_building_pycuda_lacks_is_named(tmp_path: Path) -> None:
    assert [f.topic for f in diagnosis.pycuda_findings(tmp_path)] == ["nvcc", "cuda.h"]
    tree(tmp_path, {"usr/local/cuda/bin/nvcc": ""})
    (header,) = diagnosis.pycuda_findings(tmp_path)
    assert header.text.endswith("usr/local/cuda/include/cuda.h, without which pycuda cannot be built")

    def no_pycuda() -> Gpu:
        raise RungError(Reason.NO_PYCUDA, "No module named 'pycuda'")

    first, *_ = diagnosis.gpu_findings(Ladder(Wish(), look=no_pycuda))
    assert first.text == "no_pycuda: No module named 'pycuda'"


def test_an_engine_folder_that_others_can_write_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANOTRACK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("edge.kernels.cache.cache_folder", lambda room=None: tmp_path)
    folder = storage.default_folder()
    folder.mkdir()
    (folder / "a.plan").write_bytes(b"")
    folder.chmod(0o777)
    found = by_topic(diagnosis.cache_findings({"bytetrack": "track/method.bytetrack-"}))
    assert found["engines"].state == "broken"
    assert (found["kernels"].state, found["kernels"].remedy) == ("lacking", "nanotrack doctor --warm")


def test_a_cache_that_cannot_be_written_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edge.errors import OutputError

    def refuse(package: Path) -> Path:
        raise OutputError("cannot write to /x; set NUMBA_CACHE_DIR")

    monkeypatch.setattr("edge.kernels.cache.cache_folder", refuse)
    (found,) = diagnosis.cache_findings({"bytetrack": "track/method.bytetrack-"})
    assert found.state == "broken"
    assert found.remedy.startswith("export NUMBA_CACHE_DIR=")


def test_rungs_without_a_pack_are_judged_by_the_board_alone(orin: Gpu) -> None:
    without_openvino = ["no_openvino"] * 3
    states = rung_states(Ladder(Wish(), look=lambda: orin), None)
    assert [r.reason for r in states] == ["", "", *without_openvino, "", ""]
    assert [r.usable for r in states] == [not r.reason for r in states]
    states = rung_states(Ladder(Wish(), look=no_gpu), None)
    assert [r.reason for r in states] == ["no_driver", "no_driver", *without_openvino, "", ""]


def test_rungs_with_a_pack_are_opened(tmp_path: Path, orin: Gpu) -> None:
    pack = write_pack(tmp_path / "tiny.pack", variants=("fp32", "fp16"), reid=False)
    states = rung_states(Ladder(Wish(), tmp_path, lambda: orin), pack)
    assert [r.reason for r in states] == [
        "variant_missing",
        "engine_missing",
        *["no_openvino"] * 3,
        "variant_missing",
        "",
    ]
    assert states[1].remedy == f"run nanotrack build {pack.folder} on this board"


def test_the_next_command_is_the_most_urgent_one(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "tiny.pack", variants=("fp32",), reid=False)
    fine = [Finding("s", "t", "good", "")]
    cold = [*fine, Finding("s", "kernels", "lacking", "", "nanotrack doctor --warm")]
    broken = [*cold, Finding("s", "OpenCV", "broken", "", "pip install opencv-python-headless")]
    advice_only = [Finding("s", "GStreamer", "lacking", "", "for csi:// use JetPack's OpenCV")]
    missing = [RungState("tensorrt-fp16", False, "engine_missing", "", "")]
    assert next_command(broken, missing, pack) == "pip install opencv-python-headless"
    assert next_command(cold, missing, pack) == "nanotrack doctor --warm"
    assert next_command(advice_only, missing, pack) == f"nanotrack build {pack.folder}"
    assert next_command(fine, [], pack).startswith("nanotrack track --path demo:// ")
    assert next_command(fine, [], None) == "nanotrack doctor PACK"


def test_this_machine_gets_a_whole_page_and_the_same_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    pack = write_pack(tmp_path / "tiny.pack", reid=False)
    assert main(["doctor", str(pack.folder)]) == 0
    page = capsys.readouterr().out
    for word in ("board", "cameras", "software", "caches", "GPU", "ladder", "onnxruntime-fp32", "next"):
        assert word in page
    assert main(["doctor", str(pack.folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"board", "findings", "rungs", "next"}
    assert [r["rung"] for r in report["rungs"]][-1] == "onnxruntime-fp32"
    assert report["rungs"][-1]["usable"]
    assert report["next"] in page.replace("\n", "")


def test_nothing_is_explained_twice() -> None:
    gone = "no_driver: libcuda.so.1"
    findings = [Finding("GPU", "TensorRT", "note", gone, "install it")]
    rungs = [RungState(n, False, "no_driver", "libcuda.so.1", "install it") for n in ("tensorrt-int8", "tensorrt-fp16")]
    text = io.StringIO()
    doctor.show(Console(file=text, width=100), findings, rungs, "nanotrack")
    assert text.getvalue().count("install it") == 1
    assert text.getvalue().count("no_driver, as above") == 2


def test_a_terminal_without_colours_or_unicode_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    ascii_terminal = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", ascii_terminal)
    findings = [Finding("a", "b", state, "text", "do this") for state in ("good", "note", "lacking", "broken")]
    doctor.show(Console(file=ascii_terminal, width=80), findings, [], "nanotrack")
    ascii_terminal.flush()
    assert all(mark in raw.getvalue().decode("ascii") for mark in ("ok", "--", "!", "X"))
