"""Which networks a run used and how, as lines of plain text for people."""

import textwrap
from typing import Protocol

from edge.infer.backend import Backend
from edge.infer.reasons import Reason, Skip, notable
from edge.modelpack import ImageInput, Source

WIDTH = 79


class Description(Protocol):
    """What a detector's and an appearance network's description have in common."""

    @property
    def source(self) -> Source: ...

    @property
    def input(self) -> ImageInput: ...


def network_text(role: str, description: Description, backend: Backend) -> str:
    """One network: what it is, the rung it runs on, and which rungs that this board and pack have were not taken, and
    why."""
    running, size = backend.running, description.input
    variant = f", {running.variant}" if running.variant and running.variant not in running.rung else ""
    text = (
        f"{role}: {description.source.architecture} of {description.source.file}, {size.width}x{size.height}, on"
        f" {running.rung}{variant} ({running.library} {running.version})"
    )
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if passed_over := notable(running.passed_over):
        skips = ", ".join(f"{skip.rung} ({_why(skip)})" for skip in passed_over)
        lines += textwrap.wrap(
            f"  passed over: {skips}; nanotrack doctor PACK says more",
            WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _why(skip: Skip) -> str:
    """The reason, with what was measured where that decided."""
    measured = skip.reason in (Reason.SLOWER, Reason.GATE_FAILED, Reason.GOLDEN_MISMATCH)
    return f"{skip.reason.value}: {skip.detail}" if measured else skip.reason.value
