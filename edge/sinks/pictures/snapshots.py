"""Snapshots: the picture of an event, with the box of whom it is about, as a JPEG file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.drawing.painter import Painter
from edge.events import Event, FileSaved, Observed
from edge.settings.config import Snapshots as Settings
from edge.sinks.pictures.folder import PictureFolder
from edge.types import Image, Tracks
from edge.video.opencv import cv2

_QUALITY = 85


class Snapshots:
    """An `Output` of the frames in which `files` name snapshots; `emit` is told of each file that was written.

    Pictures come as they shall be seen, reduced and with masks; boxes are in their pixels. Raises OutputError.
    """

    def __init__(self, settings: Settings, emit: Callable[[Event], None]):
        self._folder = PictureFolder(
            Path(settings.folder), "jpg", settings.keep_days, settings.max_mib, settings.free_mib
        )
        self._emit = emit

    def start(self) -> None:
        """See `Output.start`. Raises OutputError."""
        self._folder.open()

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        self._folder.tidy()
        for event in events:
            if isinstance(event, Observed) and event.image is not None:
                for id_, files in event.files.items():
                    if files.snapshot:
                        jpeg = drawn(event.image, event.tracks, id_, event.origin.classes)
                        self._folder.write(files.snapshot, jpeg)
                        self._emit(FileSaved(event.origin, event.at, id_, files.snapshot, jpeg))

    def close(self) -> None:
        """See `Output.close`."""


def drawn(image: Image, tracks: Tracks, id_: int, classes: Sequence[str]) -> bytes:
    """The picture as JPEG, with the box and the label of identity `id_` alone."""
    canvas = image.copy()
    Painter(1.0, classes).paint(canvas, _only(tracks, id_))
    return bytes(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def _only(tracks: Tracks, id_: int) -> Tracks:
    rows = np.flatnonzero(tracks.ids == id_)
    return Tracks(
        tracks.ids[rows],
        tracks.boxes_xyxy[rows],
        tracks.scores[rows],
        tracks.classes[rows],
        tracks.detection_index[rows],
    )
