"""Real-time multi-object tracking for edge boards: detector, ReID and a compiled association loop.

`import edge` is light: it loads no OpenCV, no Numba and no inference backend. What needs them is loaded on first use.

>>> import numpy as np
>>> from edge import Detections, Tracker
>>> tracker = Tracker("nanotrack", frame_rate=30.0)
>>> one = Detections(boxes_xyxy=np.array([[100, 200, 140, 300]], np.float32), scores=np.array([0.8], np.float32))
>>> tracker.update(one, time_s=0.0).ids
array([1])
"""

from typing import TYPE_CHECKING, Any

from edge.errors import (
    ConfigError,
    DataError,
    InputError,
    NanoTrackError,
    NotFoundError,
    OutputError,
    UnavailableError,
    UsageError,
)
from edge.types import Detections, Frame, Track, Tracks

if TYPE_CHECKING:
    from edge.chain.pipeline import Pipeline
    from edge.chain.tracked import tracked
    from edge.drawing.painter import draw
    from edge.track.tracker import Tracker

__version__ = "0.1.0"  # the one place; the package's metadata reads it here
__all__ = [
    "ConfigError",
    "DataError",
    "Detections",
    "Frame",
    "InputError",
    "NanoTrackError",
    "NotFoundError",
    "OutputError",
    "Pipeline",
    "Track",
    "Tracker",
    "Tracks",
    "UnavailableError",
    "UsageError",
    "__version__",
    "draw",
    "tracked",
]


def __getattr__(name: str) -> Any:
    if name == "Tracker":
        from edge.track.tracker import Tracker

        return Tracker
    if name == "Pipeline":
        from edge.chain.pipeline import Pipeline

        return Pipeline
    if name == "tracked":
        from edge.chain.tracked import tracked

        return tracked
    if name == "draw":
        from edge.drawing.painter import draw

        return draw
    raise AttributeError(f"module 'edge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
