"""What the exporter refuses in one sentence: without its extra, and flags that are about calibration without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from export.cli import main

WEIGHTS = Path(__file__).parents[3] / "edge" / "demo" / "weights"


def test_without_onnx_one_sentence_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['onnx'] = None; from export.cli import main; sys.exit(main(['inspect', 'x.pth']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert done.stderr == (
        "nanotrack-export inspect: needs onnx, which is not installed: pip install 'nanotrack-edge[export]'\n"
    )


@pytest.mark.parametrize("flags", [["--labels", "labels"], ["--limits", "ap50=0.9"], ["--report", "r.html"]])
def test_flags_of_a_calibration_want_one(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pack", "--detector", str(WEIGHTS / "detector.pth"), "-o", str(tmp_path / "a.pack"), *flags]
    assert main(words) == 64
    assert f"{flags[0]} is about calibration; add --calibrate FRAMES" in capsys.readouterr().err
    assert not (tmp_path / "a.pack").exists()
