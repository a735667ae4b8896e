"""Every command and every program of the documentation runs as it stands there.

Blocks are fenced. `bash` and `python` are run, in order, in a folder of the page's own; `toml` with a title is written
there under that name first. A block that cannot run here says why in a comment in front of it, `<!-- not run: … -->`;
the flags of its commands are checked all the same.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from edge.types import Image
from edge.video.demo import DemoScene

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WEIGHTS = ROOT / "edge" / "demo" / "weights"
_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<kind>\w+)(?P<more>[^\n]*)\n(?P<text>.*?)```", re.DOTALL
)
PROGRAMS = {"nanotrack": ("edge.commands", "edge.cli"), "nanotrack-export": ("export.commands", "export.cli")}


class Block(NamedTuple):
    kind: str
    title: str
    text: str
    reason: str | None  # why it is not run


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page that are commands, programs or files."""
    found = []
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        title = re.search(r'title="([^"]+)"', match["more"])
        found.append(Block(match["kind"], title[1] if title else "", match["text"], match["reason"]))
    return [block for block in found if block.kind in ("bash", "python", "toml")]


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of, made of the built-in weights and the built-in scene."""
    folder = tmp_path_factory.mktemp("things")
    shutil.copy(WEIGHTS / "detector.pth", folder / "nanodet-plus-m_416.pth")
    shutil.copy(WEIGHTS / "reid.pth", folder / "osnet_x0_25_msmt17.pth")
    for name, flags in {
        "person.pack": ["--detector", WEIGHTS / "detector.pth", "--reid", WEIGHTS / "reid.pth"],
        "joint.pack": ["--detector", WEIGHTS / "joint.pth"],
    }.items():
        run([sys.executable, "-m", "export.cli", "pack", *map(str, flags), "-o", str(folder / name)], folder)
    draw(folder)
    for example in (ROOT / "docs" / "examples").glob("*.py"):
        shutil.copy(example, folder)
    return folder


def draw(folder: Path) -> None:
    """street.mp4, the pictures of `frames`, and MOT17, a benchmark of two sequences, all of the built-in scene."""
    (folder / "frames").mkdir()
    video = cv2.VideoWriter(str(folder / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 384))
    for number, image in enumerate(draw_sequence(folder / "MOT17" / "train" / "MOT17-02", seed=3), 1):
        video.write(image)
        if number <= 20:
            cv2.imwrite(str(folder / "frames" / f"{number:03d}.png"), image)
    video.release()
    draw_sequence(folder / "MOT17" / "train" / "MOT17-04", seed=4)


def draw_sequence(sequence: Path, seed: int) -> list[Image]:
    """A sequence of a benchmark with its pictures, truth and detections; the pictures."""
    rows: list[str] = []
    source = DemoScene(
        f"demo://?people=8&size=640x384&fps=10&frames=30&seed={seed}",
        lambda frame, truth: rows.append(truth.rows(frame.number, frame.image.shape[0])),
    )
    for part in ("gt", "det", "img1"):
        (sequence / part).mkdir(parents=True)
    images = []
    while (frame := source.read(np.empty((384, 640, 3), np.uint8))) is not None:
        images.append(frame.image)
        cv2.imwrite(str(sequence / "img1" / f"{frame.number:06d}.jpg"), frame.image)
    truth = "".join(rows)
    (sequence / "gt" / "gt.txt").write_text(truth)
    detections = [line.split(",")[:6] for line in truth.splitlines()]
    (sequence / "det" / "det.txt").write_text("".join(f"{row[0]},-1,{','.join(row[2:6])},0.9\n" for row in detections))
    (sequence / "seqinfo.ini").write_text(
        f"[Sequence]\nname={sequence.name}\nimDir=img1\nframeRate=10\nseqLength=30\nimWidth=640\nimHeight=384\n"
        "imExt=.jpg\n"
    )
    return images


@pytest.fixture
def place(things: Path, tmp_path: Path) -> Path:
    """A copy of that folder, with our commands on the path."""
    folder = tmp_path / "page"
    shutil.copytree(things, folder)
    programs = folder / ".bin"
    programs.mkdir()
    for program, (_, module) in PROGRAMS.items():
        (programs / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / program).chmod(0o755)
    return folder


def run(command: list[str], folder: Path) -> None:
    """Run it there; what it says where it fails."""
    environment = {
        **os.environ,
        "PATH": f"{folder / '.bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NANOTRACK_CACHE_DIR": str(folder / ".cache"),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_configuration_has_a_file_name_or_a_reason_not_to_run(page: Path) -> None:
    for block in blocks(page):
        assert block.kind != "toml" or block.title or block.reason, f"{page}: {block.text}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_as_it_stands(page: Path, place: Path) -> None:
    for block in blocks(page):
        if block.reason:
            continue
        if block.title:
            (place / block.title).write_text(block.text)
        elif block.kind == "python":
            run([sys.executable, "-W", "error", "-c", block.text], place)
        else:
            run(["bash", "-euo", "pipefail", "-c", block.text], place)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_program_fits_80_columns(page: Path) -> None:
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_flags_of_every_command_exist(page: Path) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from _reference import parser_of
    finally:
        sys.path.pop(0)
    for block in blocks(page):
        for line in block.text.replace("\\\n", " ").splitlines() if block.kind == "bash" else ():
            words = shlex.split(line.partition(" | ")[0], comments=True)
            words = words[1:] if words[:1] == ["sudo"] else words
            program = words[0].rpartition("/")[2] if words else ""
            if program in PROGRAMS and len(words) > 1 and not words[1].startswith("-"):
                known = parser_of(program, PROGRAMS[program][0], words[1])._option_string_actions
                flags = {word.partition("=")[0] for word in words[2:] if word.startswith("-") and word != "-"}
                assert flags <= set(known), f"{line}: {flags - set(known)}"
