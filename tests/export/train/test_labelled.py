"""Labelled pictures in the three forms that people have them in."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError, NotFoundError, UsageError
from export.train import labelled

BOX = [10.0, 20, 30, 60]  # xyxy in a picture of 100 x 80


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((80, 100, 3), 90, np.uint8))
    return path


def coco(folder: Path, **changes: object) -> Path:
    picture(folder / "images" / "a.png")
    picture(folder / "images" / "b.png")
    document = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
        "categories": [{"id": 5, "name": "car"}, {"id": 2, "name": "person"}],
        "annotations": [
            {"image_id": 9, "category_id": 5, "bbox": [10, 20, 20, 40], "track_id": 3},
            {"image_id": 9, "category_id": 2, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"image_id": 9, "category_id": 2, "bbox": [0, 0, 0, 5]},  # without area
        ],
    } | changes
    (folder / "coco.json").write_text(json.dumps(document))
    return folder / "coco.json"


def yolo(folder: Path, names: str, line: str = "1 0.2 0.5 0.2 0.5") -> Path:
    for name in ("a", "b"):
        picture(folder / "images" / "train" / f"{name}.png")
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "labels" / "train" / "b.txt").write_text(line + "\n")
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\n{names}\n")
    return folder


def mot(folder: Path, frames: int = 4) -> Path:
    for name in ("A", "B"):
        sequence = folder / "train" / name
        for number in range(1, frames + 1):
            picture(sequence / "img1" / f"{number:06d}.jpg")
        (sequence / "gt").mkdir()
        rows = [
            f"{frame},1,10,20,20,40,1,1,{0.1 if frame == 2 else 1}\n{frame},2,50,20,20,40,0,8,1\n"
            f"{frame},3,0,0,9,9,1,3,1\n"
            for frame in range(1, frames + 1)
        ]
        (sequence / "gt" / "gt.txt").write_text("".join(rows))
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength={frames}\nimWidth=100\nimHeight=80\n"
            "imExt=.jpg\n"
        )
    return folder


def test_coco(tmp_path: Path) -> None:
    data = labelled.read(coco(tmp_path))
    assert (data.form, data.names) == ("COCO", ("person", "car"))
    first, second = data.pictures
    assert [p.path.name for p in data.pictures] == ["a.png", "b.png"]
    assert len(first.labels) == 0
    assert second.boxes_xyxy.tolist() == [BOX, [0, 0, 5, 5]]
    assert second.labels.tolist() == [1, 0]
    assert second.ignored.tolist() == [False, True]
    assert second.identities.tolist() == [3, -1]
    only = data.only(["car"])
    assert only.names == ("car",)
    assert only.pictures[1].labels.tolist() == [0]
    with pytest.raises(UsageError, match="--classes dog: the labels have person, car"):
        data.only(["dog"])
    assert labelled.read(tmp_path).form == "COCO"  # the only JSON file of a folder


@pytest.mark.parametrize(
    "names", ["names: [person, 'car']", "names:\n  0: person\n  1: car", "names:\n  - person\n  - car"]
)
def test_yolo(tmp_path: Path, names: str) -> None:
    data = labelled.read(yolo(tmp_path, names))
    assert (data.form, data.names) == ("YOLO", ("person", "car"))
    assert len(data.pictures[0].labels) == 0
    np.testing.assert_allclose(data.pictures[1].boxes_xyxy, [BOX])
    assert data.pictures[1].labels.tolist() == [1]


def test_motchallenge(tmp_path: Path) -> None:
    data = labelled.read(mot(tmp_path))
    assert (data.form, data.names, len(data.pictures)) == ("MOTChallenge", ("person",), 8)
    first, hidden, *_ = data.pictures
    assert first.boxes_xyxy.tolist() == [BOX, [50, 20, 70, 60]]  # the car is none of them
    assert first.ignored.tolist() == [False, True]  # what looks like a person need not be found
    assert hidden.ignored.tolist() == [True, True]
    assert first.identities[0] != data.pictures[4].identities[0]  # person 1 of A is not person 1 of B
    assert data.pictures[1].time_s == pytest.approx(1 / 25)


def test_sequences_are_split_by_time_and_single_pictures_at_random(tmp_path: Path) -> None:
    learned, held_back = labelled.read(mot(tmp_path, frames=10)).split(0.2, 0)
    assert [p.number for p in held_back.pictures] == [9, 10, 9, 10]
    assert max(p.number for p in learned.pictures) == 8
    learned, held_back = labelled.read(coco(tmp_path / "c")).split(0.2, 0)
    assert len(learned.pictures) == len(held_back.pictures) == 1


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="expected a COCO file or a folder"):
        labelled.read(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match=r"found 0 \.json files and none of the others"):
        labelled.read(tmp_path)
    with pytest.raises(NotFoundError, match=r"its picture c\.png is in none of"):
        labelled.read(coco(tmp_path / "1", images=[{"id": 9, "file_name": "c.png"}]))
    with pytest.raises(DataError, match="found KeyError: 'bbox'"):
        labelled.read(coco(tmp_path / "2", annotations=[{"image_id": 9, "category_id": 5}]))
    with pytest.raises(DataError, match="2 pictures with 0 boxes as COCO"):
        labelled.read(coco(tmp_path / "3", annotations=[]))
    with pytest.raises(DataError, match="names of 2 classes, as many as the labels use, found 1"):
        labelled.read(yolo(tmp_path / "4", "names: [person]"))
    with pytest.raises(DataError, match="expected shares of the picture from 0 to 1, found 40"):
        labelled.read(yolo(tmp_path / "5", "names: [a, b]", "1 40 5 2 5"))
