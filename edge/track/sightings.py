"""What a tracker saw in its newest frame and may not show yet: what a second pass over a recording needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.track.matching.boxes import Records
from edge.track.state import TRACKED
from edge.types import Int64s


@dataclass(slots=True)
class Sightings:
    """Tracks that have a detection in a frame, K rows, whether they are shown or not.

    `births` int64 `[K]` number tracks by when they were first seen; they say nothing of the ids that are shown.
    `detection_index` int64 `[K]` are the rows of their detections. `shown` int64 `[M]` are the births of the tracks
    that `Tracker.update` returned, in its order.
    """

    births: Int64s
    detection_index: Int64s
    shown: Int64s


def sightings(table: Records, shown: npt.NDArray[np.int64]) -> Sightings:
    """Of a table of TRACK records after a frame; `shown` are the method's own ids of what was shown."""
    seen = table[(table["detection"] >= 0) & (table["status"] == TRACKED)]
    name = "number" if "number" in (table.dtype.names or ()) else "id"
    births = dict(zip(table[name].tolist(), table["id"].tolist(), strict=True))
    return Sightings(
        seen["id"].copy(),
        seen["detection"].astype(np.int64),
        np.array([births[number] for number in shown.tolist()], np.int64),
    )
