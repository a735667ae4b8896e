"""The outputs of one recording: each frame's tracks become events, and each output gets them in a span of its own."""

import contextlib
from collections.abc import Mapping

from edge.events import Lives, Memory, Moment, Origin
from edge.sinks.output import Output
from edge.spans import Spans
from edge.types import Frame, Tracks


class RecordingOutputs:
    """`outputs` by the names of their spans, started; `origin` and `memory` are those of `edge.events.Lives`.

    A recording has no wall clock, so its events have no UTC time.
    """

    def __init__(self, outputs: Mapping[str, Output], origin: Origin, memory: Memory, spans: Spans):
        self._outputs = [(spans[name], output) for name, output in outputs.items()]
        self._lives = Lives(origin, memory)
        self._at = Moment(0.0, None)
        for output in outputs.values():
            output.start()

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """The next frame and its tracks to all outputs. Raises OutputError."""
        self._at = Moment(frame.time_s, None)
        height, width = frame.image.shape[:2]
        events = self._lives.observe(frame.number, (width, height), tracks, self._at, image=frame.image)
        for span, output in self._outputs:
            with span:
                output.write(events)

    def close(self) -> None:
        """End every identity with reason "stopped" and finish all outputs. Raises OutputError."""
        ends = self._lives.stop(self._at)
        with contextlib.ExitStack() as stack:
            for _, output in self._outputs:
                stack.callback(output.close)
                stack.callback(output.write, ends)
