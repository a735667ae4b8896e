"""The settings of a camera: its source, and what lies in its picture (zones, lines, masks, points of the ground)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from edge.settings.mistakes import rule
from edge.settings.section import SECTION, Every, Name, Point, Polygon, pair


@dataclass(frozen=True, config=SECTION)
class Zone:
    """`[[camera.zone]]`: a polygon in which people are counted; see `edge.service.counting.zones`."""

    name: Name = Field(description="Small letters, digits, - and _.")
    points: Polygon = Field(
        min_length=3, description="In order around the zone: shares of width and height from the upper left corner."
    )
    stay_s: StrictFloat | None = Field(
        default=None, ge=0.5, le=86_400, description="An event tells who has been there for so long, once."
    )


@dataclass(frozen=True, config=SECTION)
class Mask:
    """`[[camera.mask]]`: a part of the picture in which nothing is detected, or which nobody shall see."""

    kind: Literal["exclude", "privacy"] = Field(
        description="exclude: no detections whose feet are there; privacy: hidden in every picture that leaves here."
    )
    points: Polygon = Field(
        min_length=3, description="In order around it: shares of width and height from the upper left corner."
    )


@dataclass(frozen=True, config=SECTION)
class Line:
    """`[[camera.line]]`: a line whose crossings are counted; see `edge.service.counting.lines`.

    "in" is from the left to the right of the direction from the first of the two points to the second.
    """

    name: Name = Field(description="Small letters, digits, - and _.")
    points: tuple[Point, Point] = Field(description="Its two ends: shares of width and height.")

    @field_validator("points", mode="before")
    @classmethod
    def _check_number(cls, points: Any) -> Any:
        return pair(points)

    @field_validator("points")
    @classmethod
    def _check_ends(cls, points: tuple[Point, Point]) -> tuple[Point, Point]:
        if points[0] == points[1]:
            raise ValueError("expected two different ones, found the same twice")
        return points


# Metres on the ground, from any corner and in any direction that suits.
_Metres = Annotated[tuple[StrictFloat, StrictFloat], BeforeValidator(pair)]


@dataclass(frozen=True, config=SECTION)
class GroundPoints:
    """`[camera.ground]`: four points on the ground, from which speeds in metres a second come; see
    `edge.service.counting.ground`.

    No three of them may be on one line.
    """

    points: tuple[Point, ...] = Field(
        min_length=4, max_length=4, description="Where they are in the picture: shares of width and height."
    )
    metres: tuple[_Metres, ...] = Field(
        min_length=4, max_length=4, description="Where they are on the ground: x and y in metres, in the same order."
    )

    @field_validator("metres")
    @classmethod
    def _check_ground(cls, metres: tuple[_Metres, ...], info: ValidationInfo) -> tuple[_Metres, ...]:
        points = info.data.get("points")
        if points is not None and (_three_on_a_line(points) or _three_on_a_line(metres)):
            raise rule("points and metres", "expected four points of which no three are on one line")
        return metres


def _three_on_a_line(points: Sequence[tuple[float, float]]) -> bool:
    largest = max(abs(a - b) for one in points for other in points for a, b in zip(one, other, strict=True))
    return any(
        abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) <= 1e-3 * largest**2
        for a, b, c in combinations(points, 3)
    )


@dataclass(frozen=True, config=SECTION)
class CameraConfig:
    """`[[camera]]`: where pictures come from; see `edge.video.open`."""

    name: Name = Field(description="Small letters, digits, - and _; it stands in addresses and topics.")
    source: str = Field(description="rtsp://, rtsps://, http://, https://, /dev/video0, csi://0, demo://, or a file.")
    loop: StrictBool = Field(
        default=False, description="A file plays for ever at its own frame rate, as a camera would."
    )
    frame_rate: StrictFloat | None = Field(
        default=None, ge=0.1, le=1000, description="Frames a second, in place of what the source says of itself."
    )
    stall_s: StrictFloat = Field(
        default=5.0, ge=0.5, le=120, description="Offline, and reconnected, after so long without a good picture."
    )
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    detect_every: Every | None = Field(default=None, description="In place of the model's.")
    rtsp_transport: Literal["tcp", "udp"] | None = Field(
        default=None, description="How an RTSP stream travels; without it TCP, and UDP where the camera has no TCP."
    )
    every_s: StrictFloat | None = Field(
        default=None,
        ge=0.05,
        le=60,
        description="Time between two pictures, of an address that gives one JPEG a request.",
    )
    size: tuple[StrictInt, StrictInt] | None = Field(
        default=None, description="Width and height that a V4L2 device is set to; without it the driver's choice."
    )
    pixel_format: str | None = Field(
        default=None, description="Format that a V4L2 device is set to, such as MJPG or YUYV."
    )
    decoder: str | None = Field(
        default=None,
        pattern="^[a-z0-9_]+$",
        description="FFmpeg's decoder for a stream, by name, such as h264_v4l2m2m, the hardware of some boards; without"
        " it, and where it does not work, FFmpeg's own choice.",
    )
    reduce: Literal[2, 4, 8] | None = Field(
        default=None,
        description="JPEGs over HTTP are decoded at one in so many of their width and height, which takes less time.",
    )
    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()
    mask: tuple[Mask, ...] = ()
    ground: GroundPoints | None = None

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        if not source:
            raise ValueError("expected an address, a device or a file, found nothing")
        return source

    @field_validator("credentials")
    @classmethod
    def _check_credentials(cls, credentials: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if credentials is not None and source is not None and "://" not in source:
            raise rule("credentials", f"expected a source with an address, found {source!r}")
        return credentials

    @field_validator("every_s")
    @classmethod
    def _check_every(cls, every_s: float | None, info: ValidationInfo) -> float | None:
        stall_s = info.data.get("stall_s", 120)
        if every_s is not None and every_s > stall_s / 2:
            raise rule("every_s", f"expected at most half of stall_s, which is {stall_s:g}, found {every_s:g}")
        return every_s

    @field_validator("size", mode="before")
    @classmethod
    def _check_size(cls, size: Any) -> Any:
        return pair(size)

    @field_validator("pixel_format")
    @classmethod
    def _check_format(cls, pixel_format: str | None) -> str | None:
        if pixel_format is not None and not (len(pixel_format) == 4 and pixel_format.isascii()):
            raise ValueError(f"expected four characters, such as MJPG, found {pixel_format!r}")
        return pixel_format
