"""Reports with made-up figures: nothing in them was measured."""

import dataclasses

from edge.board import Clock
from edge.profile import choices
from edge.profile.choices import Choice, Comparison
from edge.profile.report import VERSION, Live, Machine, Memory, Rate, Report, Sensors, Setup, Stage, Thread

PINNED = Clock("cpu 0", 1500, 1500, 1500, "performance")
LOOSE = Clock("cpu 0", 600, 600, 1500, "ondemand")


def stage(
    name: str, mean_ms: float, *, thread: str = "main", medians: tuple[float, ...] = (), calls: int = 600
) -> Stage:
    p50, p90, p99, p999, most = (mean_ms * factor for factor in (1, 1.1, 1.3, 1.4, 1.5))
    return Stage(
        name, thread, calls, mean_ms, p50, p90, p99, p999, most, ((mean_ms, calls),), medians or (mean_ms,) * 20
    )


def machine(*clocks: Clock) -> Machine:
    return Machine("Board", None, 4, 2**31, None, "unknown", None, clocks, "Linux", {"python": "3.11"})


def sensors(**values: object) -> Sensors:
    nothing = Sensors({}, {}, {}, {}, {}, {}, None, None)
    return dataclasses.replace(nothing, **values)  # type: ignore[arg-type]


def rate(frames: int = 600, fps: float = 20.0) -> Rate:
    return Rate(frames, frames / fps, fps, 3.0, (fps,) * 20)


def live(**values: object) -> Live:
    return dataclasses.replace(Live(10.0, 3.0, 30, 30, 0, 60.0, 70.0, 80.0, 2.0, 105.0), **values)  # type: ignore[arg-type]


def setup(**values: object) -> Setup:
    plain = Setup("person", "onnxruntime-fp32", (), 1, "nanotrack", "a.mp4", 640, 480, 30.0, ("mot",))
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


def report(**values: object) -> Report:
    stages = (stage("decode", 2.0, thread="decode"), stage("infer", 40.0), stage("track", 0.1), stage("frame", 45.0))
    plain = Report(
        VERSION,
        "2026-01-01T00:00:00+00:00",
        machine(),
        setup(),
        rate(),
        stages,
        live(),
        (Thread("main", 45.0, None),),
        Memory(10, 10, 12),
        sensors(),
        (),
        (),
    )
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


def choice(**values: object) -> Choice:
    plain = Choice("onnxruntime-fp32", 1, 1, "nanotrack", "none", 60, 20.0, (20.0,) * 3, 48.0, 55.0, 3.0, None, 1.0)
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


def comparison(*found: Choice, **values: object) -> Comparison:
    judged = choices.judged(found or (choice(),))
    plain = Comparison(
        choices.VERSION,
        "2026-01-01T00:00:00+00:00",
        machine(),
        "person",
        "a.mp4",
        640,
        480,
        judged,
        ("tensorrt-int8: no_driver",),
        (),
        choices.recommendation(judged, "nanotrack"),
    )
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]
