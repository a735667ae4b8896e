"""Where the real data lies: beside the project, or wherever `NANOTRACK_DATA` points. Tests skip where there is none.

Properties are tried on the same examples in every run, so that `make test` says the same twice. `make fuzz` draws
others at random for as long as it is told to; what it finds goes into the test as an `@example`.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.infer.importer import Importer

settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("default")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real detections, ground truth, images, videos and weights."""
    return _existing(Path(os.environ.get("NANOTRACK_DATA", _SHARED / "data")))


@pytest.fixture(scope="session")
def reference(data: Path) -> Path:
    """The folder with what the reference implementations put out on the data; it lies beside the data folder."""
    return _existing(data.parent / "reference")


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model pack whose detector sees bright squares."""
    from tests import tiny

    return tiny.write_pack(tmp_path_factory.mktemp("packs") / "tiny.pack")


@pytest.fixture(scope="session")
def tiny_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames of two bright squares, one of which moves."""
    from tests import tiny

    return tiny.write_video(tmp_path_factory.mktemp("videos") / "squares.mp4")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that a test runs sets up the log; its handlers write to what is captured of that test alone."""
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("edge", "export", "calibration")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *ours)]
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, *ours), levels, strict=True):
        logger.setLevel(level)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; NANOTRACK_DATA may name the data folder")
    return folder


@pytest.fixture(scope="session")
def tensorrt_importer(tmp_path_factory: pytest.TempPathFactory) -> "Importer":
    """NVIDIA's ONNX importer; `tensorrt_importer.accepts(path)` lists what it has against a file."""
    from tests.infer.importer import Importer

    return Importer(tmp_path_factory.mktemp("tensorrt-rtx"))
