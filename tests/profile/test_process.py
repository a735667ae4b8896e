"""Threads and cores, as Linux tells them here and on made-up trees."""

import os
import threading
import time
from pathlib import Path

import pytest

from edge.profile import process
from edge.profile.watch import Watch
from tests.test_board import tree


def test_a_busy_thread_is_known_by_its_name() -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work, name="busy")
    with Watch() as watch:
        thread.start()
        before_s = time.process_time()
        while time.process_time() < before_s + 0.1:
            time.sleep(0.01)
    stop.set()
    thread.join()
    assert watch.threads(10)[0].name == "busy"
    assert watch.threads(10)[0].cpu_ms > 5


def test_seconds_of_our_cores_alone_are_counted(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    root = tree(
        tmp_path, {"proc/stat": f"cpu 9 9 9 9 9 9 9 9 0 0\ncpu{core} 100 20 30 999 999 4 5 41 0 0\ncpu9999 1 1\n"}
    )
    assert process.busy_s(root) == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))
    assert process.busy_s(tmp_path / "nothing") is None


def test_resident_memory_is_at_most_the_peak() -> None:
    now_bytes, peak_bytes = process.memory_bytes()
    assert 1 << 20 < now_bytes <= peak_bytes


def test_threads_without_schedstat_are_read_from_stat(tmp_path: Path) -> None:
    stat = "7 (a) b) S " + " ".join(str(n) for n in range(1, 51))
    root = tree(tmp_path, {"proc/self/task/7/stat": stat, "proc/self/task/7/schedstat": "0 0 0\n"})
    found = process.thread_times(root)[7]
    assert (found.name, found.waited_ns) == ("native", None)
    assert found.cpu_ns == (11 + 12) * 10**9 // os.sysconf("SC_CLK_TCK")


def test_what_the_board_felt(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/type": "cpu",
            "sys/class/thermal/thermal_zone0/temp": "50000",
            "sys/class/hwmon/hwmon0/name": "ina3221",
            "sys/class/hwmon/hwmon0/in1_label": "VDD_IN",
            "sys/class/hwmon/hwmon0/in1_input": "5000",
            "sys/class/hwmon/hwmon0/curr1_input": "2000",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "4",
        },
    )
    with Watch(root) as watch:
        pass
    felt = watch.sensors(fps=20.0)
    assert felt.temperatures_most_c == {"cpu": 50.0}
    assert felt.power_w == {"VDD_IN": 10.0}
    assert felt.energy_mj == {"VDD_IN": 500.0}
    assert felt.throttled is True


def test_a_board_without_sensors_has_no_figures(tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        pass
    felt = watch.sensors(fps=20.0)
    assert (felt.temperatures_most_c, felt.power_w, felt.energy_mj, felt.throttled) == ({}, {}, {}, None)
