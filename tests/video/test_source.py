from pathlib import Path

import numpy as np
import pytest

from edge.errors import NotFoundError, UsageError
from edge.video.blank import Blank
from edge.video.demo import DemoScene
from edge.video.file import VideoFile
from edge.video.images import ImageFiles
from edge.video.source import open_source
from tests import tiny


def test_the_text_tells_the_kind_of_source(tmp_path: Path, tiny_video: Path) -> None:
    folder = tiny.write_images(tmp_path / "pictures")
    assert isinstance(open_source(str(tiny_video)), VideoFile)
    assert isinstance(open_source(str(folder)), ImageFiles)
    assert isinstance(open_source(f"{folder}/*.png"), ImageFiles)
    assert isinstance(open_source(f"{folder}/frame1.png"), ImageFiles)
    assert isinstance(open_source("demo://?people=2&size=64x64"), DemoScene)


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    assert isinstance(open_source(str(tiny.write_video(tmp_path / "take[1].mp4"))), VideoFile)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        open_source(str(tmp_path / "nothing"))


def test_the_scenes_frame_rate_stands_in_its_address() -> None:
    with pytest.raises(UsageError, match="fps=5"):
        open_source("demo://", 5.0)


def test_the_scene_has_as_many_frames_as_asked() -> None:
    source = open_source("demo://?people=2&size=96x64&frames=2&fps=10")
    buffer = np.empty((64, 96, 3), np.uint8)
    frames = [source.read(buffer), source.read(buffer)]
    assert [(f.number, f.time_s, f.image is buffer) for f in frames if f] == [(1, 0.0, True), (2, 0.1, True)]
    assert source.read(buffer) is None


def test_blank_frames() -> None:
    source = Blank(2, 10.0)
    buffer = np.empty((0, 0, 3), np.uint8)
    frames = [source.read(buffer), source.read(buffer)]
    assert [(f.number, f.time_s, f.image.shape) for f in frames if f] == [(1, 0.0, (0, 0, 3)), (2, 0.1, (0, 0, 3))]
    assert source.read(buffer) is None
