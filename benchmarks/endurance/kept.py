"""What a daemon has kept on its disk: its history, read by SQLite itself, and the pictures of events."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2

Crossing = tuple[str, str, str]  # camera, line, direction


@dataclass
class Kept:
    """The history says `soundness` of itself ("ok"); its `totals`, and the sums of its minutes, `by_minute`, count
    crossings. `pictures` are the files of snapshots and clips, of which `broken` cannot be read; `rest` are others.
    """

    soundness: str = "ok"
    totals: Counter[Crossing] = field(default_factory=Counter)
    by_minute: Counter[Crossing] = field(default_factory=Counter)
    pictures: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


def kept_in(history: Path, pictures: Path | None = None) -> Kept:
    """What there is in the history and, where it is given, in the folder of pictures."""
    kept = Kept()
    with closing(sqlite3.connect(history)) as database:
        (kept.soundness,) = database.execute("PRAGMA integrity_check").fetchone()
        for table, counts in (("totals", kept.totals), ("crossings", kept.by_minute)):
            for *crossing, count in database.execute(f"SELECT camera, line, direction, count FROM {table}"):
                counts[tuple(crossing)] += int(count)
    if pictures is not None:
        for path in sorted(pictures.rglob("*")):
            name = str(path.relative_to(pictures))
            if path.suffix not in (".jpg", ".webm"):
                kept.rest += [] if path.is_dir() else [name]
                continue
            kept.pictures.add(name)
            if not _is_whole(path):
                kept.broken.append(name)
    return kept


def _is_whole(path: Path) -> bool:
    """Whether the picture, or the first of a video, can be read."""
    if path.suffix == ".jpg":
        return path.read_bytes().endswith(b"\xff\xd9") and cv2.imread(str(path)) is not None
    video = cv2.VideoCapture(str(path))
    try:
        return video.isOpened() and video.read()[0]
    finally:
        video.release()
