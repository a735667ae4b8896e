"""The built-in scene as a source."""

from collections.abc import Callable

import numpy as np

from edge.demo.scene import Scene
from edge.demo.truth import Truth
from edge.types import Frame, Image


class DemoScene:
    """The scene of a `demo://` address; see `Source`. Raises UsageError for an address with mistakes.

    `watch` is called with every frame and what is really in it, by the thread that reads.
    """

    is_live = False

    def __init__(self, url: str, watch: Callable[[Frame, Truth], None] = lambda frame, truth: None):
        scene = Scene.from_url(url)
        self.size, self.frame_rate, self.frame_count = scene.size, scene.frame_rate, scene.frame_count
        self._frames = iter(scene)
        self._watch = watch

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, copied into `buffer`; None after the last. See `Source.read`."""
        for frame, truth in self._frames:
            self._watch(frame, truth)
            image = buffer if buffer is not None and buffer.shape == frame.image.shape else np.empty_like(frame.image)
            np.copyto(image, frame.image)
            return Frame(image, frame.number, frame.time_s)
        return None

    def close(self) -> None:
        """Nothing is held open."""
