"""Detections from what people have, and tracks back to where they came from."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import supervision as sv

import edge
from edge import Detections, InputError, Tracker, Tracks


def boxes(count: int) -> list[list[float]]:
    return [[10.0 + 100 * i, 20, 50 + 100 * i, 120] for i in range(count)]


@pytest.mark.parametrize("kind", ["lists", "float64", "float16", "integers", "strided", "read-only", "big-endian"])
def test_any_array_of_numbers_will_do(kind: str) -> None:
    given: Any = boxes(3)
    if kind == "float64":
        given = np.array(given, np.float64)
    elif kind == "float16":
        given = np.array(given, np.float16)
    elif kind == "integers":
        given = np.array(given, np.int64)
    elif kind == "strided":
        given = np.repeat(np.array(given, np.float32), 2, axis=0)[::2]
    elif kind == "read-only":
        given = np.array(given, np.float32)
        given.flags.writeable = False
    elif kind == "big-endian":
        given = np.array(given, ">f4")
    found = Detections.from_xyxy(given, [0.9, 0.8, 0.7], (0, 0, 2))
    assert found.boxes_xyxy.tolist() == boxes(3)
    assert (found.boxes_xyxy.dtype, found.scores.dtype) == (np.float32, np.float32)
    assert found.classes is not None
    assert found.classes.tolist() == [0, 0, 2]
    assert len(Tracker("bytetrack").update(found)) == 3


def test_arrays_of_other_kinds_are_converted_and_masked_ones_refused() -> None:
    given = np.ma.array(boxes(2), np.float64, mask=False)
    scores = np.array([0.9, 0.8], np.float32)
    assert len(Tracker("bytetrack").update(Detections(given, scores))) == 2  # type: ignore[arg-type]
    given[1] = np.ma.masked
    with pytest.raises(InputError, match="found a masked array; drop the rows"):
        Detections.from_xyxy(given, scores)


def test_nothing_is_no_detections() -> None:
    assert len(Tracker("nanotrack").update(Detections.from_xyxy([], []))) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([[1, 2, 3]], [0.5]), "boxes_xyxy and scores"),
        (([[1, 2, 3, 4]], [0.5, 0.6]), "boxes_xyxy and scores"),
        (([[1, 2, 3, 4]], [0.5], [1, 2]), "classes"),
        (([["a", "b", "c", "d"]], [0.5]), "boxes_xyxy: expected an array of float32"),
        (([[1, 2, 3, 4j]], [0.5]), "boxes_xyxy: expected an array of float32"),
        (([[1, 2, 3, 1e300]], [0.5]), "boxes_xyxy: .*found float64 with values that do not"),
        (([[1, 2, 3, 4]], [0.5], [1.7]), "classes: .*found float64 with values that do not"),
        (([[1, 2, 3, 4]], [0.5], [float("nan")]), "classes: .*found float64 with values that do not"),
        (([[1, 2, 3, 4], [1, 2]], [0.5, 0.5]), "boxes_xyxy: expected an array"),
    ],
)
def test_wrong_shapes_name_the_argument(arguments: tuple[Any, ...], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Detections.from_xyxy(*arguments)


def test_results_of_torchvision_and_ultralytics() -> None:
    torch = pytest.importorskip("torch")
    xyxy, scores = torch.tensor(boxes(2), requires_grad=True), torch.tensor([0.9, 0.4])
    found = Detections.from_torchvision({"boxes": xyxy, "scores": scores, "labels": torch.tensor([1, 3])})
    assert found.boxes_xyxy.tolist() == boxes(2)
    assert found.classes is not None
    assert found.classes.tolist() == [1, 3]
    with pytest.raises(InputError, match="labels"):
        Detections.from_torchvision({"boxes": xyxy, "scores": scores})
    result = SimpleNamespace(boxes=SimpleNamespace(xyxy=xyxy, conf=scores, cls=torch.tensor([0.0, 2.0])))
    assert Detections.from_ultralytics(result).classes.tolist() == [0, 2]  # type: ignore[union-attr]
    with pytest.raises(InputError, match="expected boxes"):
        Detections.from_ultralytics(SimpleNamespace(boxes=None))
    with pytest.raises(InputError, match="give its elements"):
        Detections.from_ultralytics([result])
    with pytest.raises(InputError, match=r"output: .* a list of 2; give its elements"):
        Detections.from_torchvision([{}, {}])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="result: expected something with boxes, found ndarray"):
        Detections.from_ultralytics(np.zeros((2, 6)))
    with pytest.raises(InputError, match="detections: expected something with xyxy, found Detections"):
        Detections.from_supervision(found)
    nothing = SimpleNamespace(xyxy=torch.zeros(0, 4), conf=torch.zeros(0), cls=torch.zeros(0))
    assert len(Detections.from_ultralytics(SimpleNamespace(boxes=nothing))) == 0
    on_host = SimpleNamespace(boxes=SimpleNamespace(xyxy=xyxy.detach().numpy(), conf=scores.numpy(), cls=np.zeros(2)))
    assert Detections.from_ultralytics(on_host).boxes_xyxy.tolist() == boxes(2)


def test_a_round_trip_through_supervision_keeps_everything_of_each_row() -> None:
    rng = np.random.default_rng(3)
    order = np.array([2, 0, 1])
    given = sv.Detections(
        xyxy=np.array(boxes(3))[order],
        confidence=np.array([0.9, 0.8, 0.05]),
        class_id=np.array([0, 1, 0]),
        mask=rng.random((3, 40, 60)) > 0.5,
        data={"name": np.array(["c", "a", "b"]), "keypoints": rng.random((3, 17, 2)), "speeds": [1.5, 2.5, 3.5]},
        metadata={"camera": "door"},
    )
    tracks = Tracker("bytetrack").update(Detections.from_supervision(given))
    back = tracks.to_supervision(given)
    assert len(back) == 2  # the third was too weak to begin a track
    for row, index in enumerate(tracks.detection_index.tolist()):
        assert back.tracker_id[row] == tracks.ids[row]
        np.testing.assert_array_equal(back.xyxy[row], given.xyxy[index])
        np.testing.assert_array_equal(back.mask[row], given.mask[index])
        np.testing.assert_array_equal(back.data["keypoints"][row], given.data["keypoints"][index])
        assert back.data["name"][row] == given.data["name"][index]
        assert back.data["speeds"][row] == given.data["speeds"][index]
    assert back.metadata == {"camera": "door"}
    assert (back.mask.dtype, back.data["keypoints"].dtype) == (bool, np.float64)
    with pytest.raises(InputError, match="of this frame"):
        tracks.to_supervision(given[:1])
    with pytest.raises(InputError, match="detections: expected something with xyxy, found NoneType"):
        tracks.to_supervision(None)
    assert len(Tracks.to_supervision(Tracker("bytetrack").update(Detections.empty()), given)) == 0


def test_tracks_are_walked_through_and_say_what_they_are() -> None:
    tracks = Tracker("bytetrack").update(Detections.from_xyxy(boxes(2), [0.9, 0.8], [0, 4]))
    first, second = tracks
    assert (first.id, second.id, second.class_number, second.detection_index) == (1, 2, 4, 1)
    assert first.box_xyxy.tolist() == boxes(1)[0]
    assert repr(tracks) == "Tracks(2, ids [1, 2])"
    assert repr(Detections.from_xyxy(boxes(2), [0.9, 0.8])) == "Detections(2, scores 0.80 to 0.90)"
    assert repr(Detections.empty()) == "Detections(0)"
    assert repr(Detections([[1, 2, 3, 4]], [0.5])) == "Detections(1)"  # type: ignore[arg-type]
    assert repr(Detections(None, None)) == "Detections(scores=None)"  # type: ignore[arg-type]
    tracks.detection_index[0] = -1
    assert next(iter(tracks)).detection_index is None
    assert "1 predicted" in repr(tracks)


def test_drawing_leaves_the_picture_alone() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    tracks = Tracker("bytetrack").update(Detections.from_xyxy(boxes(2), [0.9, 0.8]))
    drawn = edge.draw(image, tracks)
    assert image.max() == 0
    assert drawn[20, 10:50].max() > 0
    assert drawn[150:, :].max() == 0
    tracks.classes[1] = 3
    with pytest.raises(InputError, match="a name for each class number up to 3, found 2 names"):
        edge.draw(image, tracks, ["person", "car"])


def test_tracks_by_row_and_by_mask() -> None:
    scores = np.array([0.9, 0.5], np.float32)
    classes, rows = np.array([[0, 2], [1, -1]], np.int32)
    tracks = Tracks(np.array([4, 7]), np.array(boxes(2), np.float32), scores, classes, rows)
    assert (tracks[0].id, tracks[-1].id, tracks[1].detection_index) == (4, 7, None)
    assert [track.id for track in tracks] == [4, 7]
    with pytest.raises(IndexError):
        tracks[2]
    cars = tracks.where(tracks.classes == 2)
    assert (len(cars), cars[0].id, cars[0].class_number) == (1, 7, 2)
