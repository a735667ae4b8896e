from pathlib import Path

import numpy as np

from edge.chain.chain import Chain
from edge.chain.detections import Recorded
from edge.motchallenge import format_rows, read_detections
from edge.track.tracker import Tracker
from edge.types import Detections, Frame, Tracks

BLANK = np.empty((0, 0, 3), np.uint8)


def rows(path: Path) -> str:
    """The tracks of a replay as MOTChallenge text."""
    by_frame = read_detections(path)
    replay = Chain(Recorded(by_frame), Tracker("nanotrack"))
    frames = (Frame(BLANK, number, (number - 1) / 30) for number in range(1, len(by_frame) + 1))
    return "".join(format_rows(frame.number, replay(frame)) for frame in frames)


def test_the_order_of_the_files_rows_does_not_matter(data: Path, tmp_path: Path) -> None:
    unsorted = data / "mot17/det_frcnn_public/MOT17-09.txt"
    lines = unsorted.read_text().splitlines(keepends=True)
    numbers = [int(line.split(",")[0]) for line in lines]
    assert numbers != sorted(numbers)
    (tmp_path / "sorted.txt").write_text("".join(sorted(lines, key=lambda line: int(line.split(",")[0]))))
    text = rows(unsorted)
    assert text == rows(tmp_path / "sorted.txt")
    assert text.count("\n") > 1000


def test_detections_below_the_floor_are_left_out_and_late_frames_are_empty() -> None:
    boxes = np.array([[0, 0, 10, 20], [50, 0, 60, 20]], np.float32)
    recorded = [Detections(boxes, np.array([0.9, 0.3], np.float32), np.zeros(2, np.int32))]
    replay = Chain(Recorded(recorded, 0.5), Tracker("bytetrack"))
    assert len(replay(Frame(BLANK, 1, 0.0))) == 1
    assert len(replay.detections) == 1
    assert len(recorded[0]) == 2
    assert len(replay(Frame(BLANK, 2, 1 / 30))) == 0
    assert len(replay.detections) == 0


def test_only_every_few_frames_are_used() -> None:
    box, score = np.array([[10, 20, 60, 120]], np.float32), np.array([0.9], np.float32)
    recorded = [Detections(box + 2 * n, score) for n in range(12)]
    replay = Chain(Recorded(recorded), Tracker("bytetrack"), detect_every=4)
    shown = [replay(Frame(BLANK, n + 1, n / 30)) for n in range(12)]
    assert [tracks.detection_index.tolist() for tracks in shown] == 3 * [[0], [-1], [-1], [-1]]
    assert all(tracks.ids.tolist() == [1] for tracks in shown)
    assert abs(shown[11].boxes_xyxy[0, 0] - 32) < 4


def test_recorded_classes_are_kept() -> None:
    boxes = np.array([[0, 0, 10, 20], [50, 0, 60, 20]], np.float32)
    recorded = [Detections(boxes, np.array([0.9, 0.3], np.float32), np.array([2, 1], np.int32))]
    found = Recorded(recorded, 0.5)(Frame(BLANK, 1, 0.0))
    assert found.classes is not None
    assert found.classes.tolist() == [2]


class Scripted:
    """A joint network that remembers what it was told."""

    classes, is_joint = ("person",), True

    def __init__(self) -> None:
        self.told: list[list[int]] = []
        self.resets = 0

    def __call__(self, frame: Frame) -> Detections:
        return Detections(np.array([[10, 20, 60, 120]], np.float32), np.array([0.9], np.float32))

    def feedback(self, tracks: Tracks) -> None:
        self.told.append(tracks.ids.tolist())

    def reset(self) -> None:
        self.resets += 1


def test_a_joint_network_is_told_the_tracks_and_sees_every_frame() -> None:
    joint = Scripted()
    chain = Chain(joint, Tracker("bytetrack"))
    assert not chain.change_interval(2)
    for number in range(1, 4):
        chain(Frame(BLANK, number, number / 30))
        assert chain.was_detected
    assert joint.told == [[1]] * 3
    chain.forget_picture()
    assert joint.resets == 1


def test_where_the_pictures_change_their_size_tracks_end_and_ids_go_on() -> None:
    boxes, scores = np.array([[10, 20, 60, 120], [200, 20, 260, 120]], np.float32), np.array([0.9, 0.9], np.float32)
    for method in ("nanotrack", "bytetrack"):
        joint = Scripted()
        chain = Chain(Recorded([Detections(boxes, scores)] * 20), Tracker(method))
        other = Chain(joint, Tracker(method))
        ids = []
        for number in range(1, 21):
            image = np.empty((240, 320, 3) if number <= 10 else (640, 480, 3), np.uint8)
            ids.append(chain(Frame(image, number, number / 30)).ids.tolist())
            other(Frame(image, number, number / 30))
        assert ids[9] == [1, 2]
        assert ids[19] == [3, 4]
        assert joint.resets == 1
