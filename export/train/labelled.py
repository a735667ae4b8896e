"""Pictures with labels of one's own: COCO's JSON, YOLO's folders and MOTChallenge's folders, read into one form.

The form is told from what lies there:

    coco.json                            COCO; pictures beside it, in `images`, or where --images says
    DIR/images, DIR/labels, data.yaml    YOLO: a text of `class x y width height` for each picture, in shares of it
    DIR/[train/]SEQUENCE/gt/gt.txt       MOTChallenge: boxes with identities, pictures in img1
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, NotFoundError, UsageError
from edge.motchallenge import read_ground_truth, read_seqinfo
from edge.types import Float32s, Int64s
from edge.video.address import IMAGE_SUFFIXES
from edge.video.images import natural_key

PEDESTRIAN, DISTRACTORS = 1, (2, 7, 8, 12)  # MOT17's classes: walking people, and those that look like them
LEAST_VISIBLE = 0.25  # of a MOTChallenge box that is to be found; less is neither right nor wrong


@dataclass(frozen=True)
class Picture:
    """One labelled picture: `boxes_xyxy` float32 `[G, 4]` in its pixels, `labels` int64 `[G]`, rows of the names.

    `ignored` bool `[G]` are those that need not be found. `identities` int64 `[G]` are unique over all pictures, -1
    where the labels do not tell. `sequence` and `number` say which frame of what it is, "" and 0 for single pictures;
    `time_s` is from the sequence's start.
    """

    path: Path
    boxes_xyxy: Float32s
    labels: Int64s
    ignored: npt.NDArray[np.bool_]
    identities: Int64s
    sequence: str = ""
    number: int = 0
    time_s: float = 0.0


@dataclass(frozen=True)
class Labelled:
    """All pictures and the names of their classes. `form` is what the labels were read as."""

    form: str
    names: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def split(self, share: float, seed: int) -> "tuple[Labelled, Labelled]":
        """(training, validation): of single pictures a random `share` is for validation, of sequences their ends.

        Neighbouring frames are nearly the same picture, so that a random share of them would judge nothing.
        """
        judged: set[Path] = set()
        sequences: dict[str, list[Path]] = {}
        for picture in self.pictures:
            sequences.setdefault(picture.sequence, []).append(picture.path)
        for name, paths in sequences.items():
            count = max(1, round(share * len(paths))) if len(paths) > 1 else 0
            order = list(range(len(paths)))
            if not name:
                order = np.random.default_rng(seed).permutation(len(paths)).tolist()
            judged |= {paths[k] for k in order[len(paths) - count :]}
        parts = [tuple(p for p in self.pictures if (p.path in judged) == wanted) for wanted in (False, True)]
        return Labelled(self.form, self.names, parts[0]), Labelled(self.form, self.names, parts[1])

    def only(self, names: Sequence[str]) -> "Labelled":
        """The labels of these classes, in this order. Raises UsageError for a name that is not there."""
        for name in names:
            if name not in self.names:
                raise UsageError(f"--classes {name}: the labels have {', '.join(self.names)}; choose among them")
        row = np.full(len(self.names), -1)
        row[[self.names.index(name) for name in names]] = np.arange(len(names))
        pictures = []
        for p in self.pictures:
            keep = row[p.labels] >= 0
            parts = p.boxes_xyxy[keep], row[p.labels[keep]], p.ignored[keep], p.identities[keep]
            pictures.append(Picture(p.path, *parts, p.sequence, p.number, p.time_s))
        return Labelled(self.form, tuple(names), tuple(pictures))


def read(path: Path, images: Path | None = None) -> Labelled:
    """What lies at `path`; `images` is the folder of the pictures where they lie elsewhere.

    Raises NotFoundError where nothing is found, DataError for labels that do not make sense.
    """
    if path.is_file():
        return _coco(path, images)
    if not path.is_dir():
        raise NotFoundError(f"--data {path}: expected a COCO file or a folder with labels, found nothing there")
    roots = [root for root in (path, path / "train") if any(root.glob("*/gt/gt.txt"))]
    if roots:
        return _mot(sorted(roots[0].glob("*/gt/gt.txt")))
    if (path / "labels").is_dir():
        return _yolo(path, images or path / "images")
    found = sorted(path.glob("*.json")) + sorted(path.glob("annotations/*.json"))
    if len(found) == 1:
        return _coco(found[0], images)
    raise NotFoundError(
        f"--data {path}: expected one of COCO (a .json file), YOLO (folders images and labels) or MOTChallenge"
        f" (SEQUENCE/gt/gt.txt), found {len(found)} .json files and none of the others"
    )


def _coco(path: Path, images: Path | None) -> Labelled:
    try:
        document = json.loads(path.read_text("utf-8"))
        categories = sorted(document["categories"], key=lambda each: each["id"])
        row = {each["id"]: i for i, each in enumerate(categories)}
        by_image: dict[Any, list[tuple[list[float], int, bool, int]]] = {}
        for each in document["annotations"]:
            x, y, w, h = map(float, each["bbox"])
            entry = [x, y, x + w, y + h], row[each["category_id"]], bool(each.get("iscrowd", 0))
            by_image.setdefault(each["image_id"], []).append((*entry, int(each.get("track_id", -1))))
        folders = [images] if images else [path.parent, path.parent / "images", path.parent.parent / "images"]
        pictures = [
            _picture(_found(folders, each["file_name"], path), by_image.get(each["id"], []))
            for each in document["images"]
        ]
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: expected COCO's images, annotations (bbox, image_id, category_id) and categories, found"
            f" {type(error).__name__}: {error}; export the labels again"
        ) from error
    return _checked(path, Labelled("COCO", tuple(str(each["name"]) for each in categories), tuple(pictures)))


def _found(folders: Sequence[Path], name: str, asked: Path) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(
        f"{asked}: its picture {name} is in none of {', '.join(map(str, folders))}; say where with --images DIR"
    )


def _yolo(path: Path, images: Path) -> Labelled:
    from edge.video.images import read_image

    pictures = []
    most = -1
    files = (file for file in images.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    for file in sorted(files, key=natural_key):
        text = (path / "labels" / file.relative_to(images)).with_suffix(".txt")
        lines = text.read_text("utf-8").splitlines() if text.is_file() else []
        try:
            rows = np.array([[float(word) for word in line.split()[:5]] for line in lines if line.strip()])
            rows = rows.reshape(-1, 5)
        except ValueError as error:
            raise DataError(f"{text}: expected lines of class, x, y, width, height ({error})") from error
        if not ((rows[:, 1:] >= -0.01) & (rows[:, 1:] <= 1.01)).all():
            raise DataError(f"{text}: expected shares of the picture from 0 to 1, found {rows[:, 1:].max():g}")
        height, width = read_image(file).shape[:2] if len(rows) else (1, 1)
        corners = np.hstack([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2])
        boxes = corners * [width, height, width, height]
        numbers = rows[:, 0].astype(int).tolist()
        most = max([most, *numbers])
        pictures.append(_picture(file, [(box, n, False, -1) for box, n in zip(boxes.tolist(), numbers, strict=True)]))
    names = _yolo_names(path, most + 1)
    return _checked(path, Labelled("YOLO", names, tuple(pictures)))


def _yolo_names(path: Path, count: int) -> tuple[str, ...]:
    """The names in data.yaml, a list or a mapping from numbers, or in classes.txt; the reader knows no more of YAML."""
    lists = [file for file in (path / "classes.txt", path / "labels" / "classes.txt") if file.is_file()]
    if lists:
        names = [line.strip() for line in lists[0].read_text("utf-8").splitlines() if line.strip()]
    else:
        described = [file for file in (path / "data.yaml", *sorted(path.glob("*.yaml"))) if file.is_file()]
        if not described:
            raise NotFoundError(f"{path}: expected the classes' names in data.yaml or classes.txt, found neither")
        text = re.sub(r"#.*", "", described[0].read_text("utf-8")).partition("names:")[2]
        if flow := re.match(r"\s*\[(.*?)\]", text, re.DOTALL):
            names = [name.strip().strip("'\"") for name in flow[1].split(",") if name.strip()]
        else:
            names = [m[1].strip().strip("'\"") for m in re.finditer(r"^\s+(?:-|\d+\s*:)\s*(.+)$", text, re.MULTILINE)]
    if len(names) < count:
        raise DataError(f"{path}: expected names of {count} classes, as many as the labels use, found {len(names)}")
    return tuple(names)


def _mot(truths: Sequence[Path]) -> Labelled:
    pictures: list[Picture] = []
    first_identity = 0
    for truth in truths:
        folder = truth.parent.parent
        info = read_seqinfo(folder / "seqinfo.ini")
        boxes = read_ground_truth(truth, info.frame_count)
        counts = (boxes.classes == PEDESTRIAN) & (boxes.scores > 0)
        wanted = counts | np.isin(boxes.classes, DISTRACTORS)
        hidden = _visibility(truth, len(boxes)) < LEAST_VISIBLE
        for number in range(1, info.frame_count + 1):
            file = folder / info.image_folder / f"{number:06d}{info.image_suffix}"
            if not file.is_file():
                continue
            rows = slice(*np.searchsorted(boxes.frames, [number, number + 1]).tolist())
            keep = wanted[rows]
            ltwh = boxes.boxes_ltwh[rows][keep]
            xyxy = np.hstack([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]]).astype(np.float32)
            ignored = (~counts | hidden)[rows][keep]
            identities = boxes.ids[rows][keep] + first_identity
            labels = np.zeros(len(xyxy), np.int64)
            time_s = (number - 1) / info.frame_rate
            pictures.append(Picture(file, xyxy, labels, ignored, identities, folder.name, number, time_s))
        first_identity += 1 + int(boxes.ids.max(initial=0))
    return _checked(truths[0].parents[2], Labelled("MOTChallenge", ("person",), tuple(pictures)))


def _visibility(truth: Path, count: int) -> npt.NDArray[np.float64]:
    """The ninth column, in the order of `read_ground_truth`; 1 where the file has none."""
    rows = [line.split(",") for line in truth.read_text("utf-8").splitlines() if line.strip()]
    if not rows or len(rows[0]) != 9:
        return np.ones(count)
    table = np.array(rows, float)
    return table[np.argsort(table[:, 0], kind="stable"), 8]


def _picture(path: Path, rows: Sequence[tuple[list[float], int, bool, int]]) -> Picture:
    kept = [row for row in rows if row[0][2] > row[0][0] and row[0][3] > row[0][1]]
    boxes = np.array([row[0] for row in kept], np.float32).reshape(-1, 4)
    labels, identities = (np.array([row[k] for row in kept], np.int64) for k in (1, 3))
    return Picture(path, boxes, labels, np.array([row[2] for row in kept], bool), identities)


def _checked(path: Path, labelled: Labelled) -> Labelled:
    boxes = sum(len(picture.labels) for picture in labelled.pictures)
    if not labelled.pictures or not boxes:
        raise DataError(
            f"{path}: expected labelled pictures, found {len(labelled.pictures)} pictures with {boxes} boxes as"
            f" {labelled.form}"
        )
    if not all(math.isfinite(float(picture.boxes_xyxy.sum())) for picture in labelled.pictures):
        raise DataError(f"{path}: a box with NaN or infinity; export the labels again")
    return labelled
