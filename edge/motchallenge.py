"""The MOTChallenge text formats: the one contract with benchmarks, replayed detections and evaluators.

One box a row, fields separated by commas, frames numbered from 1, boxes as left, top, width, height in pixels
(https://motchallenge.net/instructions/). Detections and results: `frame,id,left,top,width,height,score,…`; ground
truth: `frame,id,left,top,width,height,consider,class,visibility`, and of MOT15
`frame,id,left,top,width,height,consider,x,y,z` with a place in the world, -1 where it is not known, and no class. Any
row order; a name that ends in `.gz` is gzip.
"""

import configparser
import gzip
import itertools
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, NotFoundError
from edge.files import open_file
from edge.types import Detections, Float32s, Tracks

_FIELDS = ("frame", "id", "left", "top", "width", "height", "score", "class")
_MOT15_FIELDS = (*_FIELDS[:7], "x", "y", "z")
_COLUMNS = {name: column for fields in (_FIELDS, _MOT15_FIELDS) for column, name in enumerate(fields)}
_WHOLE = ("frame", "id", "class")
_CLASSES = (1, 13)  # lowest and highest class of MOT16, MOT17 and MOT20
_MAX_FRAME = 10_000_000  # 92 hours at 30 frames a second: a larger number is a broken file, not a sequence
# Rows of numbers shrink to a quarter in gzip, a tenth where little changes.
_MOST_TIMES, _ALWAYS_BYTES = 30, 64 << 20


@dataclass(frozen=True, slots=True)
class Boxes:
    """Labelled boxes of a whole sequence, R rows sorted by frame: ground truth, or what a tracker put out.

    `frames` int64 `[R]` from 1, `ids` int64 `[R]`, `boxes_ltwh` float64 `[R, 4]`, `scores` float64 `[R]` (in ground
    truth 0 marks a box that is not to be considered), `classes` int64 `[R]` (1 = pedestrian, also where the file has
    no such field).
    """

    frames: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    boxes_ltwh: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What `seqinfo.ini` says of a sequence: `image_folder` is relative to it, `image_suffix` starts with a dot."""

    name: str
    frame_rate: float
    frame_count: int
    width: int
    height: int
    image_folder: str
    image_suffix: str


def read_detections(path: Path, frame_count: int | None = None) -> list[Detections]:
    """Detections by frame: item i belongs to frame i + 1; classes are all 0, the id field is not used.

    The list ends with the last frame that has a detection, or is `frame_count` long; then a later frame is an error.
    Raises NotFoundError, or DataError with the file and line.
    """
    rows = _read(path, ("frame", "left", "top", "width", "height", "score"), frame_count)
    boxes, scores = _xyxy(rows[:, 1:5]), rows[:, 5].astype(np.float32)
    classes = np.zeros(len(rows), np.int32)
    count = (int(rows[-1, 0]) if len(rows) else 0) if frame_count is None else frame_count
    ends = np.searchsorted(rows[:, 0], np.arange(count + 1), side="right").tolist()
    # Frames without any share one: a long recording in which nobody is seen for hours costs nothing.
    none = Detections(boxes[:0], scores[:0], classes[:0])
    return [
        Detections(boxes[first:end], scores[first:end], classes[first:end]) if first < end else none
        for first, end in itertools.pairwise(ends)
    ]


def read_ground_truth(path: Path, frame_count: int | None = None) -> Boxes:
    """The ground truth of a sequence, in MOT17's form (8 or 9 fields a row) or in MOT15's (10 fields).

    Raises as `read_detections`, and DataError for a file whose rows are of different forms, or that fits both.
    """
    if _is_mot15(path):
        rows = _read(path, _MOT15_FIELDS, frame_count)
        if len(rows) and _reads_as_class(rows[:, 7]) and _reads_as_share(rows[:, 8]):
            raise DataError(
                f"{path}: columns 8 and 9 can be class and visibility, which makes MOT17's 9 fields a row, but there"
                f" are 10 as in MOT15; remove column 10, or write world coordinates or -1,-1,-1 as 8 to 10"
            )
        return _boxes(rows, np.ones(len(rows), np.int64))
    rows = _read(path, _FIELDS, frame_count)
    return _boxes(rows, rows[:, 7].astype(np.int64))


def read_tracks(path: Path, frame_count: int | None = None) -> Boxes:
    """What a tracker put out for a sequence; every box is a pedestrian. Raises as `read_detections`."""
    rows = _read(path, _FIELDS[:7], frame_count)
    return _boxes(rows, np.ones(len(rows), np.int64))


def read_seqinfo(path: Path) -> SequenceInfo:
    """The contents of a `seqinfo.ini`. Raises NotFoundError, or DataError that names the key."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"), source=str(path))
        section = parser["Sequence"]
        info = SequenceInfo(
            name=section["name"],
            frame_rate=float(section["frameRate"]),
            frame_count=int(section["seqLength"]),
            width=int(section["imWidth"]),
            height=int(section["imHeight"]),
            image_folder=section.get("imDir", "img1"),
            image_suffix=section.get("imExt", ".jpg"),
        )
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror}") from error
    except KeyError as error:
        raise DataError(f"{path}: expected [Sequence] with key {error.args[0]!r}, found none") from error
    except (configparser.Error, ValueError) as error:
        raise DataError(f"{path}: not a seqinfo.ini: {error}") from error
    if not info.frame_rate > 0 or info.frame_count < 1:
        raise DataError(
            f"{path}: expected frameRate and seqLength above 0, found {info.frame_rate:g} and {info.frame_count}"
        )
    return info


def format_rows(frame_number: int, tracks: Tracks) -> str:
    """The tracks of one frame as rows of exactly 10 fields, each ended by a newline; "" without tracks.

    Boxes have 2 decimals: .005 px is far below what any evaluator can see.
    """
    return _rows(frame_number, tracks.ids.tolist(), tracks.boxes_xyxy, tracks.scores)


def format_detections(frame_number: int, detections: Detections) -> str:
    """The detections of one frame, as `format_rows`, with -1 as id."""
    return _rows(frame_number, [-1] * len(detections), detections.boxes_xyxy, detections.scores)


def _rows(frame_number: int, ids: list[int], boxes_xyxy: Float32s, scores: Float32s) -> str:
    x1, y1, x2, y2 = boxes_xyxy.astype(np.float64).T
    columns = (x1, y1, x2 - x1, y2 - y1, scores)
    return "".join(
        f"{frame_number},%d,%.2f,%.2f,%.2f,%.2f,%.4f,-1,-1,-1\n" % row
        for row in zip(ids, *(column.tolist() for column in columns), strict=True)
    )


def _xyxy(boxes_ltwh: npt.NDArray[np.float64]) -> Float32s:
    boxes = boxes_ltwh.copy()
    boxes[:, 2:] += boxes[:, :2]
    return np.asarray(boxes, np.float32)


def _boxes(rows: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]) -> Boxes:
    frames, ids = np.ascontiguousarray(rows[:, :2].T).astype(np.int64)
    return Boxes(frames, ids, np.ascontiguousarray(rows[:, 2:6]), rows[:, 6].copy(), classes)


def _read(path: Path, names: Sequence[str], frame_count: int | None) -> npt.NDArray[np.float64]:
    """The named columns of all rows, sorted by frame, rows of one frame in the order of the file."""
    last_frame = _MAX_FRAME if frame_count is None else frame_count
    _require_bearable(path)
    try:
        columns = [_COLUMNS[name] for name in names]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data", UserWarning)
            rows = np.loadtxt(str(path), delimiter=",", comments=None, usecols=columns, ndmin=2, encoding="utf-8-sig")
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror or error}") from error
    except ValueError as error:
        raise _mistake(path, names, last_frame) or DataError(f"{path}: {error}") from error
    frames, whole = rows[:, 0], rows[:, [name in _WHOLE for name in names]]
    if not (np.isfinite(rows).all() and (frames >= 1).all() and (frames <= last_frame).all()):
        raise _mistake(path, names, last_frame) or DataError(f"{path}: expected finite numbers")
    if not (whole == np.floor(whole)).all():
        raise _mistake(path, names, last_frame) or DataError(f"{path}: expected whole numbers")
    if (frames[1:] < frames[:-1]).any():
        rows = rows[np.argsort(frames, kind="stable")]
    return rows


def _require_bearable(path: Path) -> None:
    """Return where `path` is a file, and no small gzip that unpacks to gigabytes. Raises NotFoundError, DataError."""
    try:
        with open_file(path) as file:
            if path.suffix != ".gz":
                return
            most = max(_ALWAYS_BYTES, _MOST_TIMES * file.seek(0, 2))
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as unpacked:
                while unpacked.tell() <= most and unpacked.read(1 << 20):
                    pass
                if unpacked.tell() > most:
                    raise DataError(f"{path}: it unpacks to more than {most >> 20:,} MiB, far too much for its size")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: expected gzip data, found a broken or truncated file: {error}") from error
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror or error}") from error


def _is_mot15(path: Path) -> bool:
    """Whether rows of ground truth are MOT15's by their number of fields. Raises DataError for neither form or both."""
    first: tuple[int, int] | None = None  # line and fields
    mot15 = len(_MOT15_FIELDS)
    _require_bearable(path)
    for number, line in _lines(path):
        fields = line.count(",") + 1
        if fields not in (8, 9, mot15):
            raise DataError(
                f"{path}, line {number}: expected 9 fields separated by commas (frame,id,left,top,width,height,"
                f"consider,class,visibility) or MOT15's 10 (…,consider,x,y,z), found {fields}"
            )
        first = first or (number, fields)
        if (fields == mot15) != (first[1] == mot15):
            raise DataError(
                f"{path}, line {number}: expected as many fields as in line {first[0]}, {first[1]}, found {fields};"
                " truth of MOT15 and of MOT17 cannot be mixed in one file"
            )
    return first is not None and first[1] == mot15


def _reads_as_class(values: npt.NDArray[np.float64]) -> bool:
    low, high = _CLASSES
    return bool(((values >= low) & (values <= high) & (values == np.floor(values))).all())


def _reads_as_share(values: npt.NDArray[np.float64]) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers, of a file that `_require_bearable` has let pass."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _mistake(path: Path, names: Sequence[str], last_frame: int) -> DataError | None:
    """The first mistake of a file, found the slow way, with its line; None if there is none."""
    for number, line in _lines(path):
        if mistake := _line_mistake(line, names, last_frame):
            return DataError(f"{path}, line {number}: {mistake}")
    return None


def _line_mistake(line: str, names: Sequence[str], last_frame: int) -> str | None:
    fields, count = line.split(","), _COLUMNS[names[-1]] + 1
    if len(fields) < count:
        expected = ",".join(_FIELDS[:count])
        return f"expected at least {count} fields separated by commas ({expected}), found {len(fields)}"
    for name in names:
        text = fields[_COLUMNS[name]].strip()
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            return f"expected a finite number as {name}, found {text!r}"
        if name in _WHOLE and value != int(value):
            return f"expected a whole number as {name}, found {text!r}"
        if name == "frame" and not 1 <= value <= last_frame:
            return f"expected a frame from 1 to {last_frame}, found {text}"
    return None
