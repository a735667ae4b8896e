"""Every reason for doubt is found, and a clean run has none."""

import re

import pytest

from edge.profile.reliability import warnings
from edge.profile.report import Memory, Thread
from tests.profile.samples import LOOSE, PINNED, machine, rate, sensors, stage

CLEAN = {
    "machine": machine(PINNED),
    "sensors": sensors(throttled=False, elsewhere=0.01, clocks_least_mhz={"cpu 0": 1500}),
    "rate": rate(),
    "whole": stage("frame", 45.0),
    "threads": (Thread("main", 44.0, 0.2),),
    "memory": Memory(100 << 20, 101 << 20, 101 << 20),
}


def test_a_clean_run_has_no_warnings() -> None:
    assert warnings(**CLEAN) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sensors": sensors(throttled=True)}, "throttled by heat or low voltage"),
        ({"sensors": sensors(temperatures_most_c={"cpu": 91.0})}, "cpu reached 91 °C"),
        ({"sensors": sensors(clocks_least_mhz={"cpu 0": 900})}, "fell to 900 MHz although pinned to 1500"),
        ({"sensors": sensors(elsewhere=0.4)}, "other programs took 40%"),
        ({"threads": (Thread("main", 44.0, 9.0),)}, "waited 9.00 ms a frame for a core"),
        ({"rate": rate(frames=77)}, "77 frames: p99 depends on the slowest 0.8 of them"),
        ({"whole": stage("frame", 45.0, medians=(40.0,) * 10 + (50.0,) * 10)}, r"\+25% against the first"),
        ({"machine": machine(LOOSE)}, r"cpu 0 600 to 1500 MHz \(ondemand\)"),
        ({"memory": Memory(100 << 20, 150 << 20, 150 << 20)}, "memory grew by 50 MiB"),
    ],
)
def test_each_reason_for_doubt_is_said_alone(changed: dict[str, object], said: str) -> None:
    (found,) = warnings(**{**CLEAN, **changed})  # type: ignore[arg-type]
    assert re.search(said, found)


def test_sensors_that_are_not_there_raise_no_alarm() -> None:
    unknown = {"machine": machine(), "sensors": sensors(), "threads": (Thread("main", 44.0, None),)}
    assert warnings(**{**CLEAN, **unknown}) == ()  # type: ignore[arg-type]
