"""A snapshot shows whom it is about."""

from pathlib import Path

import numpy as np

from edge.events import Event, Files, FileSaved
from edge.settings.config import Snapshots as Settings
from edge.sinks.pictures.snapshots import Snapshots
from edge.video.images import read_image
from tests.sinks.pictures.frames import grey, pictured

NAME = "2026-09-21/door-135320.000-4.jpg"


def test_the_box_of_whom_it_is_about_is_drawn_and_no_other(tmp_path: Path) -> None:
    told: list[Event] = []
    output = Snapshots(Settings(str(tmp_path), keep_days=3650, free_mib=0.0), told.append)
    output.start()
    image = grey(128)
    output.write([pictured(1.0, image, {4: Files(NAME, "")}), pictured(2.0, image)])
    output.close()
    picture = read_image(tmp_path / NAME)
    changed = np.abs(picture.astype(int) - 128).max(axis=2) > 40
    assert changed[20:60, 9:12].any()  # the left edge of 4's box, which is [10, 20.25, 25, 60.5]
    assert not changed[45:64, 29:48].any()  # the lower part of that of 7
    assert (image == 128).all()
    (saved,) = told
    assert isinstance(saved, FileSaved)
    assert (saved.id, saved.file, saved.at.time_s) == (4, NAME, 1.0)
    assert saved.jpeg == (tmp_path / NAME).read_bytes()
