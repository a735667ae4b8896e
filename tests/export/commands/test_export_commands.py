"""`nanotrack-export` from the outside: what it prints, what it returns, one sentence for each mistake."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edge.demo
from edge import modelpack
from export import golden
from export.cli import main
from tests.export import small
from tests.export import torchfile as tf


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return small.write_detector(tmp_path / "d.onnx")


@pytest.fixture
def packed(tmp_path: Path, detector: Path) -> Path:
    reid = small.write_reid(tmp_path / "r.onnx")
    assert main(["pack", "--detector", str(detector), "--reid", str(reid), "-o", str(tmp_path / "a.pack")]) == 0
    return tmp_path / "a.pack"


def _sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What went to stderr, which must be one line and no traceback."""
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    assert "Traceback" not in captured
    return captured


def test_two_published_checkpoints_become_a_pack_that_verifies(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "person.pack"
    models = data / "models"
    flags = ["--detector", f"{models}/nanodet-plus-m_416.pth", "--reid", f"{models}/osnet_x0_25_msmt17.pth"]
    assert main(["pack", *flags, "-o", str(out)]) == 0
    assert "NanoDet-Plus-m 1.0x and OSNet x0.25" in capsys.readouterr().out
    found = modelpack.read(out)
    assert (found.detector.input.width, found.detector.input.height, len(found.detector.classes)) == (416, 416, 80)
    assert main(["verify", str(out)]) == 0
    assert capsys.readouterr().out.count("agrees") == 2
    assert main(["inspect", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "NanoDet-Plus-m 1.0x, from nanodet-plus-m_416.pth" in shown
    assert "416x416 BGR, nhwc-uint8" in shown


def test_neither_pytorch_nor_opencv_nor_numba_is_needed(tmp_path: Path, data: Path) -> None:
    """In a fresh interpreter in which they cannot be imported."""
    models, out = data / "models", tmp_path / "a.pack"
    flags = ["--detector", f"{models}/nanodet-plus-m_416.pth", "--reid", f"{models}/osnet_x0_25_msmt17.pth"]
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['torch', 'cv2', 'numba']))\n"
        "from export.cli import main\n"
        "sys.exit(main(sys.argv[1:]) or main(['verify', sys.argv[-1]]))"
    )
    run = [sys.executable, "-c", script, "pack", *flags, "-o", str(out)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0
    (told,) = done.stderr.splitlines()  # what its weights do not tell
    assert "--config nanodet.yml" in told
    assert done.stdout.count("agrees") == 2


def test_a_training_configuration_and_the_crops_preparation_end_up_in_the_pack(tmp_path: Path, data: Path) -> None:
    config = tmp_path / "nanodet.yml"
    config.write_text("model: {arch: {}}\ndata: {val: {keep_ratio: true, input_size: [96, 64]}}\n")
    reid = small.write_reid(tmp_path / "r.onnx")
    flags = ["--detector", f"{data}/models/nanodet-plus-m_416.pth", "--config", str(config), "--reid", str(reid)]
    flags += ["--reid-mean", "10,20,30", "--reid-std", "1,2,4", "--reid-colour", "bgr"]
    assert main(["pack", *flags, "-o", str(tmp_path / "a.pack")]) == 0
    found = modelpack.read(tmp_path / "a.pack")
    assert (found.detector.input.width, found.detector.input.resize) == (96, "letterbox-centre")
    assert found.reid is not None
    assert (found.reid.input.mean, found.reid.input.std, found.reid.input.colour) == ((10, 20, 30), (1, 2, 4), "bgr")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--activation", "ReLU", "--config", "x.yml"], "--config says it already"),
        (["--activation", "ReLU"], "for NanoDet checkpoints"),
        (["--reid-mean", "1,2"], "expected three numbers"),
    ],
)
def test_flags_that_do_not_fit_are_a_usage_error(
    tmp_path: Path, detector: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    assert main(["pack", "--detector", str(detector), *flags, "-o", str(tmp_path / "a.pack")]) == 64
    assert told in capsys.readouterr().err


def test_published_onnx_files_become_a_pack_that_verifies(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "zoo.pack"
    models = data / "models"
    flags = ["--detector", f"{models}/object_detection_nanodet_2022nov.onnx"]
    flags += ["--reid", f"{models}/osnet_x0_25_msmt17_dynamic.onnx"]
    assert main(["pack", *flags, "-o", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    assert capsys.readouterr().out.count("agrees") == 2


def test_options_of_the_detector_reach_the_pack(tmp_path: Path, data: Path) -> None:
    flags = ["--detector", str(data / "models" / "nanodet-plus-m_416.pth"), "--input-size", "192x96"]
    assert main(["pack", *flags, "--classes", "person,car", "-o", str(tmp_path / "a.pack")]) == 0
    found = modelpack.read(tmp_path / "a.pack").detector
    assert (found.input.width, found.input.height, found.classes) == (192, 96, ("person", "car"))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("nanodet-plus-m_416.pth", ["NanoDet-Plus-m 1.0x, 80 classes", "645 (539 float32, 106 int64)"]),
        ("osnet_x0_25_msmt17.pth", ["OSNet x0.25"]),
        ("nanodet-plus-m_416.onnx", ["opset 13", "output float32[1,3598,112]", "--detector", "110 Conv"]),
        ("osnet_x0_25_msmt17_dynamic.onnx", ["--reid", "input float32[?,3,256,128]", "512 numbers"]),
    ],
)
def test_inspect_says_what_a_published_file_holds(
    data: Path, capsys: pytest.CaptureFixture[str], name: str, facts: list[str]
) -> None:
    assert main(["inspect", str(data / "models" / name)]) == 0
    shown = capsys.readouterr().out
    assert all(fact in shown for fact in facts)


def test_inspect_shows_what_a_checkpoint_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(Path(edge.demo.__file__).with_name("weights") / "detector.pth")]) == 0
    shown = capsys.readouterr().out
    assert "832x480" in shown
    assert "1: person" in shown


def test_inspect_shows_a_checkpoint_of_an_unknown_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tf.write_archive(
        tmp_path / "c.pth", tf.mapping({"fc.weight": tf.tensor("FloatStorage", "0", 2, 0, (2,), (1,))}), {"0": bytes(8)}
    )
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "not one that is known" in shown
    assert "fc.weight.* (1)" in shown


def test_a_licence_is_kept_and_shown(tmp_path: Path, detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "a.pack")
    assert main(["pack", "--detector", str(detector), "--licence", "Apache-2.0", "-o", out]) == 0
    assert modelpack.read(out).detector.source.licence == "Apache-2.0"
    capsys.readouterr()
    assert main(["inspect", out]) == 0
    assert "Apache-2.0" in capsys.readouterr().out


def test_verify_names_the_file_with_one_changed_byte(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((packed / "detector.fp32.onnx").read_bytes())
    content[100] ^= 1
    (packed / "detector.fp32.onnx").write_bytes(content)
    assert main(["verify", str(packed)]) == 65
    assert "detector.fp32.onnx: changed since the export" in _sentence(capsys)


def test_verify_names_a_missing_file(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (packed / "reid.fp32.onnx").unlink()
    assert main(["verify", str(packed)]) == 65
    assert "reid.fp32.onnx: cannot be read" in _sentence(capsys)


def test_verify_names_a_shape_that_disagrees(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((packed / "pack.json").read_text())
    manifest["detector"]["input"]["width"] = 96
    (packed / "pack.json").write_text(json.dumps(manifest))
    assert main(["verify", str(packed)]) == 65
    assert "input width: manifest 96, file 64" in _sentence(capsys)


def test_no_pack_is_input_not_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nothing.pack")]) == 66
    assert "expected a model pack" in _sentence(capsys)


def _truncated(path: Path) -> Path:
    whole = tf.write_archive(path, tf.mapping({"a": tf.tensor("FloatStorage", "0", 2, 0, (2,), (1,))}), {"0": bytes(8)})
    whole.write_bytes(whole.read_bytes()[:-30])
    return whole


def _attack(path: Path) -> Path:
    return tf.write_archive(path, tf.mapping({"a": tf.call(tf.name("os", "system"), tf.text("true"))}), {})


def _text(path: Path) -> Path:
    path.write_text("no checkpoint")
    return path


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (_truncated, 65, "truncated or damaged"),
        (_attack, 65, "wants os.system"),
        (_text, 65, "expected a PyTorch checkpoint"),
        (lambda path: path, 66, "cannot be read (No such file or directory)"),
    ],
    ids=["truncated", "attack", "text", "missing"],
)
def test_a_bad_checkpoint_is_one_sentence_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], Path], code: int, words: str
) -> None:
    flags = ["--detector", str(make(tmp_path / "c.pth")), "-o", str(tmp_path / "a.pack")]
    assert main(["pack", *flags]) == code
    assert words in _sentence(capsys)
    assert not (tmp_path / "a.pack").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--input-size", "400x416"], "expected multiples of 32"),
        (["--classes", "unicorn"], "unknown class 'unicorn'"),
        (["--class-names", "a,b"], "has 2 names"),
    ],
)
def test_flags_that_do_not_fit_the_checkpoint_are_wrong_usage(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    checkpoint = str(data / "models" / "nanodet-plus-m_416.pth")
    assert main(["pack", "--detector", checkpoint, *flags, "-o", str(tmp_path / "a.pack")]) == 64
    assert words in _sentence(capsys)


def test_a_size_that_is_no_size_is_wrong_usage(
    tmp_path: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", "--detector", str(detector), "--input-size", "big", "-o", str(tmp_path / "a.pack")]) == 64
    assert "expected WIDTHxHEIGHT such as 416x416, found 'big'" in capsys.readouterr().err


def test_an_existing_pack_is_wrong_usage_without_force(
    packed: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", "--detector", str(detector), "-o", str(packed)]) == 64
    assert "--force" in _sentence(capsys)
    assert main(["pack", "--detector", str(detector), "-o", str(packed), "--force"]) == 0


def test_an_output_that_cannot_be_written_is_73(
    tmp_path: Path, detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["pack", "--detector", str(detector), "-o", str(tmp_path / "file" / "a.pack")]) == 73
    assert "cannot be written" in _sentence(capsys)


def test_a_terminated_export_leaves_nothing_behind(
    tmp_path: Path, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `kill` or a service manager ends it, in the middle of writing."""
    seen: list[Path] = []

    def terminated(*_: object) -> None:
        seen.extend(path for path in tmp_path.iterdir() if path.name.startswith(".a.pack"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(golden, "packed", terminated)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["pack", "--detector", str(detector), "-o", str(tmp_path / "a.pack")]) == 143
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == [detector]
    assert signal.getsignal(signal.SIGTERM) is before


def test_verify_says_that_there_is_nothing_to_agree_with(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((packed / "pack.json").read_text())
    del manifest["golden"]
    (packed / "pack.json").write_text(json.dumps(manifest))
    assert main(["verify", str(packed)]) == 0
    told = capsys.readouterr().out
    assert "agrees" not in told
    assert told.count("not known") == told.count(" runs") == 2
