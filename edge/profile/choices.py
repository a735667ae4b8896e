"""What `--compare` says: the ways this board can run a pack, which are worth choosing, and which to take.

Written as JSON; the schema is `choices.schema.json`. None is "not available" throughout.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edge.profile.report import Machine, write_text

VERSION = 1
SCHEMA = Path(__file__).with_name("choices.schema.json")
# Runs this close to each other are equally fast: what a board does between two runs varies as much.
_TIE = 1.03
# Identities that agree with float32's less often are not recommended without a look at labelled frames.
LEAST_AGREEMENT = 0.9


@dataclass(frozen=True)
class Choice:
    """One way to run, and what it gave.

    `threads` are those of the network, `at_once` the frames in flight: 1 is one after another with all threads for each
    of them, as the daemon runs; more is a thread for each frame, as `nanotrack track` runs. On a GPU the second is
    being tracked. `reid` is the policy of embeddings, "none" without. `p50_ms` and `p99_ms` are from a decoded frame to
    its tracks being written; `energy_mj` is the board's for one frame. `agreement` is that of `edge.profile.agreement`
    with float32, same method and appearance. `is_worth_it`: no other of the same method and appearance is as good in
    everything and better in something.
    """

    rung: str
    threads: int
    at_once: int
    method: str
    reid: str
    frames: int
    fps: float
    round_fps: tuple[float, ...]
    p50_ms: float
    p99_ms: float
    people: float
    energy_mj: float | None
    agreement: float | None
    is_worth_it: bool = False

    @property
    def tracking(self) -> tuple[str, str]:
        """What decides which identity a box gets."""
        return self.method, self.reid


@dataclass(frozen=True)
class Comparison:
    """All choices, `passed_over` with the rungs that cannot run here and why, and a sentence to act on."""

    schema: int
    created: str
    machine: Machine
    pack: str
    source: str
    width: int
    height: int
    choices: tuple[Choice, ...]
    passed_over: tuple[str, ...]
    warnings: tuple[str, ...]
    recommendation: str


def judged(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The same with `is_worth_it`: the Pareto front in rate, p99, agreement and energy, method by method."""
    return tuple(
        replace(one, is_worth_it=not any(_beats(other, one) for other in choices if other.tracking == one.tracking))
        for one in choices
    )


def _beats(a: Choice, b: Choice) -> bool:
    gains = [a.fps / b.fps, b.p99_ms / a.p99_ms]
    if a.energy_mj and b.energy_mj:
        gains.append(b.energy_mj / a.energy_mj)
    gains.append((a.agreement or 1.0) / max(b.agreement or 1.0, 1e-9))
    return all(gain >= 1 / _TIE for gain in gains) and any(gain > _TIE for gain in gains)


def recommendation(choices: Sequence[Choice], method: str) -> str:
    """What to take of those with `method` and without appearance: for recordings, and for a camera."""
    able = [c for c in choices if c.tracking == (method, "none")]
    trusted = [c for c in able if c.agreement is None or c.agreement >= LEAST_AGREEMENT] or able
    slowest = min((c for c in able if c.threads == 1), key=lambda c: c.fps)
    for_files = max(trusted, key=lambda c: c.fps)
    for_cameras = min((c for c in trusted if c.at_once == 1), key=lambda c: c.p99_ms)
    same = "" if for_files.agreement in (None, 1.0) else f", {for_files.agreement:.3f} of boxes with float32's identity"
    return (
        f"for recordings {_name(for_files)}: {for_files.fps:.1f} FPS, {for_files.fps / slowest.fps:.1f} times"
        f" {_name(slowest)}{same}; for a camera {_name(for_cameras)}: {for_cameras.fps:.1f} FPS,"
        f" p99 {for_cameras.p99_ms:.1f} ms"
    )


def passed_by(choices: Sequence[Choice], method: str) -> tuple[str, ...]:
    """Why something that `nanotrack track` would take by itself, the fastest, is not what `recommendation` names."""
    able = [c for c in choices if c.tracking == (method, "none")]
    fastest = max(able, key=lambda c: c.fps)
    if fastest.agreement is None or fastest.agreement >= LEAST_AGREEMENT:
        return ()
    return (
        f"nanotrack track takes {fastest.rung} by itself, since it passed the pack's gate and is faster"
        f" ({fastest.fps:.1f} FPS). It is not recommended here: only {fastest.agreement:.3f} of its boxes have the"
        f" identities of float32, less than {LEAST_AGREEMENT:g}. --variant fp32 keeps float32; nanotrack val on"
        " labelled frames shows which of the two is better",
    )


def _name(choice: Choice) -> str:
    side = f", {choice.at_once} frames at once" if choice.at_once > 1 else ""
    return f"{choice.rung} with {choice.threads} thread{'s' * (choice.threads > 1)}{side}"


def write(found: Comparison, path: Path) -> None:
    """Write a comparison as JSON. Raises OutputError."""
    write_text(path, json.dumps(asdict(found), indent=1) + "\n")
