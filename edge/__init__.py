"""Real-time multi-object tracking for edge boards: detector, ReID and a compiled association loop.

`import edge` is light: it loads no OpenCV, no Numba and no inference backend. What needs them is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from edge.types import Detections, Frame, Tracks

if TYPE_CHECKING:
    from edge.chain.pipeline import Pipeline
    from edge.track.tracker import Tracker

__version__ = "0.1.0"
__all__ = ["Detections", "Frame", "Pipeline", "Tracker", "Tracks", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Tracker":
        from edge.track.tracker import Tracker

        return Tracker
    if name == "Pipeline":
        from edge.chain.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'edge' has no attribute {name!r}")
