"""The built-in scene as a source."""

import numpy as np

from edge.demo.scene import Scene
from edge.types import Frame, Image


class DemoScene:
    """The scene of a `demo://` address; see `Source`. Raises UsageError for an address with mistakes."""

    def __init__(self, url: str):
        scene = Scene.from_url(url)
        self.size, self.frame_rate, self.frame_count = scene.size, scene.frame_rate, scene.frame_count
        self._frames = iter(scene)

    def read(self, buffer: Image) -> Frame | None:
        """The next frame, copied into `buffer`; None after the last."""
        frame, _ = next(self._frames, (None, None))
        if frame is None:
            return None
        np.copyto(buffer, frame.image)
        return Frame(buffer, frame.number, frame.time_s)

    def close(self) -> None:
        """Nothing is held open."""
