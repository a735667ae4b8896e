"""Which events of a camera get a snapshot and a clip, and what these are called; the pictures are left to outputs.

Called by the tracking loop, which only reduces a picture where one is wanted: drawing, encoding and writing are done in
the outputs' threads.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from edge.drawing.masks import PrivacyMask
from edge.drawing.scaled import scaled
from edge.events import NO_FILES, CameraChanged, Event, Files, LineCrossed, Moment, Observed, ZoneChanged
from edge.settings.config import CameraConfig, Clips, Occasion, Snapshots
from edge.sinks.pictures.clips import LONGEST_PX, RATE
from edge.sinks.pictures.folder import name_of
from edge.types import Image

# A clip goes on while more happens, but no longer than this.
LONGEST_CLIP_S = 60.0


class Pictures:
    """Snapshots and clips of one camera.

    `settings` are those of now, None for none; `put` leaves a frame for the output of that name. What `mask` hides is
    hidden in every picture. `utc` gives a date to recordings, which have none.
    """

    def __init__(
        self,
        settings: Callable[[], tuple[Snapshots | None, Clips | None]],
        put: Callable[[str, Event], None],
        mask: PrivacyMask,
        utc: Callable[[], float],
    ):
        self._settings, self._put, self._mask, self._utc = settings, put, mask, utc
        self._clip, self._clip_began_s, self._clip_ends_s = "", 0.0, float("-inf")
        self._due_s = float("-inf")

    def named(self, frame: Observed, followers: Sequence[Event]) -> tuple[Observed, list[Event]]:
        """The frame and the events that follow from it, with the names of the files that they will have."""
        snapshots, clips = self._settings()
        if frame.at.time_s > self._clip_ends_s:
            self._clip = ""
        ids = set(frame.tracks.ids.tolist())
        files: dict[int, Files] = {}
        for id_, occasion in _occasions(frame, followers):
            if id_ not in ids:
                continue  # it is not in the picture any more
            before = files.get(id_, NO_FILES)
            snapshot, clip = before.snapshot, before.clip
            if snapshots is not None and occasion in snapshots.on:
                snapshot = name_of(frame.origin.camera, self._date(frame.at), id_, "jpg")
            if clips is not None and occasion in clips.on:
                clip = self._extended_clip(frame, id_, clips.after_s)
            if snapshot or clip:
                files[id_] = Files(snapshot, clip)
        named = [
            dataclasses.replace(each, files=files[each.id])
            if isinstance(each, LineCrossed | ZoneChanged) and each.id in files
            else each
            for each in followers
        ]
        return dataclasses.replace(frame, files=files, clip=self._clip), named

    def take(self, frame: Observed, image: Image) -> None:
        """Leave the picture of `frame`, as `named` gave it back, for the outputs that want it."""
        snapshots, clips = self._settings()
        if snapshots is not None and any(files.snapshot for files in frame.files.values()):
            self._put("snapshots", self._picture(frame, image, snapshots.longest_px))
        if clips is not None and (frame.at.time_s >= self._due_s or any(f.clip for f in frame.files.values())):
            self._due_s = max(self._due_s + 1 / RATE, frame.at.time_s + 0.5 / RATE)
            self._put("clips", self._picture(frame, image, LONGEST_PX))

    def note(self, event: CameraChanged) -> None:
        """The camera's state: a clip ends where no more frames come."""
        if self._settings()[1] is not None and event.state in ("offline", "stopped"):
            self._clip, self._clip_ends_s = "", float("-inf")
            self._put("clips", event)

    def _picture(self, frame: Observed, image: Image, longest_px: int) -> Observed:
        canvas, tracks = scaled(image, frame.tracks, longest_px)
        self._mask.hide(canvas)
        return dataclasses.replace(frame, image=canvas, tracks=tracks)

    def _extended_clip(self, frame: Observed, id_: int, after_s: float) -> str:
        """The clip that is being made, a little longer, or a new one."""
        now_s = frame.at.time_s
        if not self._clip:
            self._clip = name_of(frame.origin.camera, self._date(frame.at), id_, "webm")
            self._clip_began_s = now_s
        self._clip_ends_s = min(now_s + after_s, self._clip_began_s + LONGEST_CLIP_S)
        return self._clip

    def _date(self, at: Moment) -> float:
        return self._utc() if at.utc_s is None else at.utc_s


def privacy_mask(camera: CameraConfig) -> PrivacyMask:
    """What nobody shall see of `camera`."""
    return PrivacyMask([mask.points for mask in camera.mask if mask.kind == "privacy"])


def _occasions(frame: Observed, followers: Iterable[Event]) -> Iterable[tuple[int, Occasion]]:
    """What happened in a frame, and to whom."""
    for id_, age in zip(frame.tracks.ids.tolist(), frame.ages, strict=True):
        if age == 0:
            yield id_, "new"
    for event in followers:
        if isinstance(event, LineCrossed):
            yield event.id, "line"
        elif isinstance(event, ZoneChanged) and event.action != "leave":
            yield event.id, "zone" if event.action == "enter" else "stay"
