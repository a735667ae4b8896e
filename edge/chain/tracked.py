"""A whole source tracked, in one line of Python."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.chain.pipeline import Pipeline
from edge.modelpack import ModelPack
from edge.types import Frame, Tracks
from edge.video.open import open_source


def tracked(source: str | Path, model: ModelPack | Path | str, **options: Any) -> Iterator[tuple[Frame, Tracks]]:
    """Every frame of `source` with its tracks, in order: a generator.

    `source` is what `edge.video.open.open_source` takes: a video, a folder of images, a camera, a stream, demo://.
    `model` and `options` are `Pipeline`'s; the frame rate is the source's unless it is given. A picture may be
    overwritten by the next one: copy what you keep. A camera goes on until it is silent; frames that come faster than
    they are tracked wait in its driver. Raises as `open_source` and `Pipeline` do, when the first frame is asked for.
    """
    frames = open_source(str(source))
    try:
        pipeline = Pipeline(model, **{"frame_rate": frames.frame_rate, **options})
        while (frame := frames.read(None)) is not None:
            yield frame, pipeline(frame)
    finally:
        frames.close()
