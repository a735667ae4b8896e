"""The messages of boards, as strictly read as anything that comes from elsewhere.

An appearance is what `edge.sinks.wire` writes of an `edge.events.Embedded`.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.types import Float32s

MOST_BYTES = 64 << 10
_SIDES = ("left", "right", "top", "bottom", "inside")
_NETWORK = re.compile(r"[0-9a-f]{64}")
_LEVEL = re.compile(r"[^+#/\s]{1,64}")
_LONE = re.compile("[\ud800-\udfff]")  # halves of characters, which JSON can write and no database takes
_EMBEDDING = range(8, 4097)
_LATEST_S = 7_258_118_400.0  # the year 2200: no clock of a board is right there, and no sum of such times overflows


@dataclass(frozen=True, slots=True)
class Sighting:
    """A board's identity in one camera, as an appearance message tells of it.

    `camera` is BOARD/CAMERA, `run` and `id` are the board's, `stay` counts how often it had been lost before. It was
    seen from `first_s` to `last_s`, seconds since 1970 on the board's clock, which showed `said_s`. `is_end`: it is
    lost or has ended.
    `embedding` float32 `[E]` has length 1; None where an end brings nothing new.
    """

    event_id: str
    camera: str
    run: str
    id: int
    stay: int
    is_end: bool
    said_s: float
    first_s: float
    last_s: float
    class_name: str
    entry: str
    exit: str
    network: str
    embedding: Float32s | None

    @property
    def board(self) -> str:
        """The name of its board."""
        return self.camera.partition("/")[0]

    @property
    def key(self) -> tuple[str, str, int, int]:
        """The same for all messages about this stay."""
        return self.camera, self.run, self.id, self.stay


def camera_of(topic: str, prefix: str) -> str:
    """BOARD/CAMERA of the topic PREFIX/BOARD/CAMERA/appearance. Raises DataError for another one."""
    levels = topic.removeprefix(f"{prefix}/").split("/")
    if not topic.startswith(f"{prefix}/") or len(levels) != 3 or levels[2] != "appearance":
        raise DataError("foreign topic")
    if not all(_LEVEL.fullmatch(level) for level in levels):
        raise DataError("foreign topic")
    return "/".join(levels[:2])


def read_appearance(topic: str, payload: bytes, prefix: str) -> Sighting:
    """The message on `topic`. Raises DataError with a word or two, to count by, for one that is not as it should be."""
    camera = camera_of(topic, prefix)
    if len(payload) > MOST_BYTES:
        raise DataError("too large")
    try:
        data = json.loads(payload.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DataError("not JSON") from error
    if not isinstance(data, dict) or data.get("event") != "appearance":
        raise DataError("not an appearance")
    if data.get("v") != 1:
        raise DataError("unknown version")
    run = _text(data, "run")
    if data.get("camera") != camera.partition("/")[2]:
        raise DataError("foreign camera")
    stage = _text(data, "stage")
    if stage not in ("known", "end"):
        raise DataError("malformed stage")
    first_s, last_s, said_s = (_time(data, name) for name in ("first_utc", "last_utc", "t_utc"))
    if not first_s <= last_s <= said_s + 1e-3:
        raise DataError("times out of order")
    entry, exit_ = _text(data, "entry"), _text(data, "exit")
    if entry not in _SIDES or exit_ not in _SIDES:
        raise DataError("malformed side")
    network = _text(data, "network")
    if not _NETWORK.fullmatch(network):
        raise DataError("malformed network")
    id_, stay = _whole(data, "id"), _whole(data, "stay")
    embedding = _embedding(data.get("embedding"))
    if embedding is None and stage == "known":
        raise DataError("malformed embedding")
    # Unique on its board only: no board can use up the ids of another one.
    event_id = f"{camera}/{run}-{id_}-{stay}-{stage}"
    class_name = _text(data, "cls")
    return Sighting(
        event_id, camera, run, id_, stay, stage == "end", said_s, first_s, last_s, class_name, entry, exit_, network,
        embedding,
    )  # fmt: skip


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128 or _LONE.search(value):
        raise DataError(f"malformed {name}")
    return value


def _whole(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise DataError(f"malformed {name}")
    return value


def _time(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    if value is None:
        raise DataError("no wall-clock times")  # of a recording
    try:
        at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        seconds = at.timestamp()
    except (ValueError, OverflowError) as error:
        raise DataError(f"malformed {name}") from error
    if at.tzinfo is None or not 0 <= seconds < _LATEST_S:
        raise DataError(f"malformed {name}")
    return seconds


def _embedding(text: object) -> Float32s | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise DataError("malformed embedding")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("malformed embedding") from error
    if len(data) % 2 or len(data) // 2 not in _EMBEDDING:
        raise DataError("malformed embedding")
    vector = np.frombuffer(data, "<f2").astype(np.float32)
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) < 0.02:  # NaN and infinity too
        raise DataError("malformed embedding")
    return np.asarray(vector / np.float32(length), np.float32)
