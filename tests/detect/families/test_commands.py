"""Commands with a bare file of a foreign family: they work, or say what decides and where that is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import pytest

import edge.cli
import export.cli
from edge.service.daemon import Daemon
from edge.settings import config
from tests import tiny
from tests.detect.families import networks
from tests.service.daemon.setups import camera, cycle_until, lines, of, write_config
from tests.toy import write_sequence

FRAMES = 6
BOTH = pytest.mark.parametrize(
    ("write", "flags"), [(networks.yolox, ["--family", "yolox"]), (networks.yolov8, [])], ids=["yolox", "yolov8"]
)
DECIDES = "--family yolox (YOLOX, 80 classes, BGR, letterbox; not shown: how pictures are prepared)"
KEEPS = "nanotrack-export pack takes the flags too and keeps the answer in the pack"


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """A folder of one sequence with pictures."""
    pytest.importorskip("trackeval")
    sequence = write_sequence(tmp_path / "bench/A", frames=FRAMES, detections=False)
    (sequence / "img1").mkdir()
    for number in range(1, FRAMES + 1):
        cv2.imwrite(str(sequence / f"img1/{number:06}.jpg"), tiny.picture(number))
    return tmp_path / "bench"


def val(benchmark: Path, *flags: object) -> int:
    return edge.cli.main(["val", "--benchmark", "MOT17", "--data", str(benchmark), "--workers", "1", *map(str, flags)])


def serve(path: Path, family: str) -> None:
    """The daemon of a configuration with one recording, until that is over."""
    daemon = Daemon(config.load(path))
    assert daemon.detectors.first.description.head.type == family
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    assert len(of(lines(path.parent), "a", "frame")) == 30


@BOTH
def test_val_detects_with_it(
    write: Callable[[Path], Path],
    flags: Sequence[str],
    benchmark: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = write(tmp_path / "a.onnx")
    assert val(benchmark, "--model", network, *flags, "--out", tmp_path / "out") == 0
    assert "HOTA" in capsys.readouterr().out
    assert (tmp_path / "out/detections/A.txt").read_text().count("\n") > FRAMES


def test_val_asks_what_is_not_shown_and_refuses_flags_without_a_model(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert val(benchmark, "--model", networks.yolox(tmp_path / "a.onnx")) == 65
    said = capsys.readouterr().err
    assert DECIDES in said
    assert KEEPS in said
    assert val(benchmark, "--family", "yolox") == 64
    assert "belong to --model" in capsys.readouterr().err


def test_the_daemon_runs_a_file_that_proves_itself(
    tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, networks.yolov8(tmp_path / "a.onnx"), camera("a", tiny_video))
    assert edge.cli.main(["check", "--config", str(path)]) == 0
    serve(path, "yolov8")


def test_the_daemon_asks_for_a_pack_of_one_that_does_not_and_runs_that(
    tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = networks.yolox(tmp_path / "a.onnx")
    path = write_config(tmp_path, network, camera("a", tiny_video))
    for command, code in (("check", 78), ("serve", 65)):
        assert edge.cli.main([command, "--config", str(path)]) == code
        said = " ".join(capsys.readouterr().err.split())
        assert DECIDES in said
        assert KEEPS in said
    pack = tmp_path / "a.pack"
    assert export.cli.main(["pack", "--detector", str(network), "--family", "yolox", "-o", str(pack)]) == 0
    serve(write_config(tmp_path, pack, camera("a", tiny_video)), "yolox")


@BOTH
def test_profile_measures_it(
    write: Callable[[Path], Path],
    flags: Sequence[str],
    tiny_video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network, file = write(tmp_path / "a.onnx"), tmp_path / "report.json"
    run = ["profile", str(network), str(tiny_video), *flags, "--frames", "20", "--live", "0", "--json", str(file)]
    assert edge.cli.main(run) == 0
    assert "decode+nms" in file.read_text()


def test_profile_asks_what_is_not_shown(tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = networks.yolox(tmp_path / "a.onnx")
    assert edge.cli.main(["profile", str(network), str(tiny_video), "--frames", "20", "--live", "0"]) == 65
    assert DECIDES in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["selftest", "build"])
def test_commands_for_packs_alone_say_how_to_make_one(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = networks.yolov8(tmp_path / "a.onnx")
    assert edge.cli.main([command, str(network)]) == 66
    said = " ".join(capsys.readouterr().err.split())
    assert "a file; expected a model pack, which is a folder" in said
    assert f"nanotrack-export pack --detector {network} -o a.pack" in said


@BOTH
def test_selftest_proves_a_pack_of_it(
    write: Callable[[Path], Path], flags: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "a.pack"
    assert export.cli.main(["pack", "--detector", str(write(tmp_path / "a.onnx")), *flags, "-o", str(pack)]) == 0
    assert edge.cli.main(["selftest", str(pack), "--seconds", "0.05"]) == 0
