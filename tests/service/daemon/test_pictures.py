"""Snapshots and clips of a whole daemon: in events, on the disk, and a disk that is full."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.service.daemon import Daemon
from edge.settings import config
from edge.video.images import read_image
from tests import tiny
from tests.field import SmallDisk
from tests.service.daemon.setups import camera, cycle_until, lines, of, write_config

ZONE = '[[camera.zone]]\nname = "left"\npoints = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\nstay_s = 1.0\n'


def configured(folder: Path, pack: Path, pictures: Path, *, more: str = "", mask: str = "") -> Path:
    video = tiny.write_video(folder / "squares.mp4", frames=60, rate=15.0, size=(192, 128))
    sections = f'[snapshots]\nfolder = "{pictures}"\non = ["new", "zone", "stay"]\nfree_mib = 0\n{more}'
    path = write_config(folder, pack, camera("a", video, loop=True), more=sections)
    path.write_text(path.read_text().replace("[jsonl]", ZONE + mask + "[jsonl]"))
    return path


def test_every_picture_that_an_event_names_is_there(tiny_pack: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    clips = f'[clips]\nfolder = "{pictures}"\non = ["stay"]\nbefore_s = 1.0\nafter_s = 1.0\nfree_mib = 0\n'
    path = configured(tmp_path, tiny_pack, pictures, more=clips)
    assert main(["check", "--config", str(path)]) == 0
    daemon = Daemon(config.load(path))
    cycle_until(daemon, lambda: any(pictures.glob("*/*.webm")))
    recent = daemon._recent_events.list()
    daemon.close()
    found = lines(tmp_path)
    zones = of(found, "a", "zone")
    new = [track for line in of(found, "a", "frame") for track in line["tracks"] if "snapshot" in track]
    assert {line["action"] for line in zones if "snapshot" in line} == {"enter", "stay"}
    assert all(line["dwell_s"] >= 1.0 for line in zones if line["action"] == "stay")
    named = {line["snapshot"] for line in (*zones, *new) if "snapshot" in line}
    clip_names = {line["clip"] for line in zones if "clip" in line}
    told = {line["file"] for line in of(found, "a", "file")}
    assert told == named | clip_names
    assert told == {str(file.relative_to(pictures)) for file in pictures.glob("*/*")}
    for name in named:
        assert read_image(pictures / name).shape == (128, 192, 3)
    assert {event["snapshot"] for event in recent if event["event"] == "new"} <= named
    assert any(event["event"] == "new" for event in recent)
    assert all(event["event"] != "file" for event in recent)


@pytest.mark.skipif(not SmallDisk.may_mount(), reason="only root may mount a small file system")
def test_a_full_disk_is_counted_and_said_and_tracking_goes_on(tiny_pack: Path, tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 1)
    try:
        daemon = Daemon(config.load(configured(tmp_path, tiny_pack, disk.folder)))
        output, stream = daemon.outputs.open["snapshots"], daemon.streams[0]
        cycle_until(daemon, lambda: output.written > 0)
        disk.fill()
        cycle_until(daemon, lambda: "No space left" in output.trouble)
        lost, tracked = output.dropped, stream.tracked
        cycle_until(daemon, lambda: stream.tracked > tracked + 15)
        assert lost > 0
        disk.free()
        cycle_until(daemon, lambda: not output.trouble)
        daemon.close()
        assert daemon.snapshot is not None
    finally:
        disk.close()


def test_masks_keep_detections_away_and_eyes_out(tiny_pack: Path, tmp_path: Path) -> None:
    """Both squares stand in the upper half at first; the moving one is in the lower half."""
    pictures = tmp_path / "pictures"
    lower = json.dumps([[0, 0.5], [1, 0.5], [1, 1], [0, 1]])
    mask = "".join(f'[[camera.mask]]\nkind = "{kind}"\npoints = {lower}\n' for kind in ("exclude", "privacy"))
    daemon = Daemon(config.load(configured(tmp_path, tiny_pack, pictures, mask=mask)))
    cycle_until(daemon, lambda: any(pictures.glob("*/*.jpg")) and daemon.streams[0].tracked > 20)
    daemon.close()
    boxes = [track["xyxy"] for line in of(lines(tmp_path), "a", "frame") for track in line["tracks"]]
    assert boxes
    assert max(box[3] for box in boxes) <= 65
    picture = read_image(next(pictures.glob("*/*.jpg")))
    values = np.unique(picture[68:].reshape(-1, 3) // 24, axis=0)  # the lower half: squares of few greys
    assert len(values) < 40
