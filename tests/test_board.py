"""What the board tells, on made-up file trees of a Jetson Orin, a Raspberry Pi, a PC, and of nothing at all."""

import json
from pathlib import Path

import pytest

from edge import board
from edge.board import CameraDevice, Clock, Release


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def orin(tmp_path: Path) -> Path:
    return tree(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
            "var/lib/nvpmodel/status": "pmode:0001\n",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1344000\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq": "729600\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "1728000\n",
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
            "sys/class/devfreq/17000000.gpu/cur_freq": "1020000000\n",
            "sys/class/devfreq/17000000.gpu/min_freq": "1020000000\n",
            "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
            "sys/class/devfreq/17000000.gpu/governor": "nvhost_podgov\n",
            "sys/class/devfreq/15340000.vic/cur_freq": "729600000\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48593\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "-256000\n",
            "sys/class/thermal/thermal_zone10/type": "tj-thermal\n",
            "sys/class/thermal/thermal_zone10/temp": "49000\n",
            "sys/class/hwmon/hwmon1/name": "ina3221\n",
            "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
            "sys/class/hwmon/hwmon1/in1_input": "5000\n",
            "sys/class/hwmon/hwmon1/curr1_input": "1200\n",
            "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages\n",
            "sys/class/hwmon/hwmon2/name": "pwm_fan\n",
            "proc/meminfo": "MemTotal:        7802196 kB\nMemFree: 1 kB\n",
            "proc/cpuinfo": "processor : 0\nFeatures : fp asimd evtstrm aes pmull crc32 atomics asimdrdm asimddp\n",
            "sys/class/video4linux/video0/name": "vi-output, imx219 9-0010\n",
            "sys/class/video4linux/video10/name": "USB Camera\n",
            "sys/class/video4linux/video2/name": "USB Camera\n",
        },
    )


def test_an_orin_tells_everything(orin: Path) -> None:
    assert board.model(orin) == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert board.chip(orin) == "nvidia,tegra234"
    assert board.compute_capability(orin) == "8.7"
    assert board.release(orin) == Release("36.4.3", "6")
    assert board.driver(orin) == "L4T 36.4.3"
    assert board.power_mode(orin) == "25W"
    assert board.clocks(orin) == [
        Clock("cpu 0", 1344, 730, 1728, "schedutil"),
        Clock("gpu", 1020, 1020, 1020, "nvhost_podgov"),
    ]
    assert [clock.is_pinned for clock in board.clocks(orin)] == [False, True]
    assert board.temperatures(orin) == {"cpu-thermal": 48.593, "tj-thermal": 49.0}
    assert board.power_w(orin) == {"VDD_IN": 6.0}
    assert board.memory_bytes(orin) == 7802196 << 10
    assert board.has_int8_dot_product(orin)
    assert board.cameras(orin) == [
        CameraDevice("/dev/video0", "vi-output, imx219 9-0010"),
        CameraDevice("/dev/video2", "USB Camera"),
        CameraDevice("/dev/video10", "USB Camera"),
    ]
    assert board.is_throttled(orin) is None


def test_limits_are_the_lowest_passive_trip_points_that_mean_anything(tmp_path: Path) -> None:
    def zone(number: int, name: str, *points: tuple[str, int]) -> dict[str, str]:
        folder = f"sys/class/thermal/thermal_zone{number}"
        files = {f"{folder}/type": f"{name}\n"}
        for i, (kind, millidegrees) in enumerate(points):
            files |= {
                f"{folder}/trip_point_{i}_type": f"{kind}\n",
                f"{folder}/trip_point_{i}_temp": f"{millidegrees}\n",
            }
        return files

    root = tree(
        tmp_path,
        zone(0, "cpu-thermal", ("critical", 104500), ("passive", 99000), ("passive", 95000), ("active", 70000))
        | zone(1, "x86_pkg_temp", ("passive", 0), ("passive", -273200))
        | zone(2, "acpitz", ("critical", 105000), ("passive", 20800))
        | zone(3, "wifi"),
    )
    assert board.limits_c(root) == {"cpu-thermal": 95.0}


def test_a_reading_is_all_sensors_at_once(orin: Path) -> None:
    reading = board.reading(orin)
    assert reading.temperatures_c == board.temperatures(orin)
    assert reading.clocks == board.clocks(orin)
    assert reading.power_w == {"VDD_IN": 6.0}
    assert reading.throttled is None


def test_all_facts_survive_json(orin: Path) -> None:
    facts = board.facts(orin)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["jetpack"], facts["l4t"], facts["power_mode"]) == ("6", "36.4.3", "25W")
    assert facts["clocks"][1]["pinned"]


def test_a_board_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    facts = board.facts(tmp_path)
    known = {name: value for name, value in facts.items() if value not in (None, [], {})}
    assert known == {"cores": facts["cores"], "driver": "unknown", "int8_dot_product": False}


@pytest.mark.parametrize(
    ("compatible", "expected"),
    [
        ("nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0", "5.3"),
        ("nvidia,quill\0nvidia,tegra186\0", "6.2"),
        ("nvidia,p3509-0000+p3668-0000\0nvidia,tegra194\0", "7.2"),
        ("nvidia,p3971-0089+p3834-0008\0nvidia,tegra264\0", "11.0"),
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", None),
    ],
)
def test_a_jetson_is_known_by_its_chip(tmp_path: Path, compatible: str, expected: str | None) -> None:
    root = tree(tmp_path, {"proc/device-tree/compatible": compatible})
    assert board.compute_capability(root) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# R32 (release), REVISION: 7.6, GCID: 38171779, BOARD: t210ref", Release("32.7.6", "4")),
        ("# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref", Release("35.4.1", "5")),
        ("# R38 (release), REVISION: 2.0, GCID: 41844464", Release("38.2.0", "7")),
        ("# R39 (release), REVISION: 2, GCID: 1", Release("39.2", "7")),
        ("# R51 (release), REVISION: 1.0, GCID: 1", Release("51.1.0", None)),
        ("nonsense", None),
    ],
)
def test_l4t_releases_and_their_jetpacks(tmp_path: Path, line: str, expected: Release | None) -> None:
    assert board.release(tree(tmp_path, {"etc/nv_tegra_release": line})) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024", "NVIDIA 550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build", "NVIDIA 580.95.05"),
    ],
)
def test_a_pc_names_its_driver(tmp_path: Path, line: str, expected: str) -> None:
    assert board.driver(tree(tmp_path, {"proc/driver/nvidia/version": line})) == expected


@pytest.mark.parametrize(("text", "expected"), [("0", False), ("50000", False), ("50005", True), ("8", True)])
def test_a_pi_says_whether_it_is_held_back_now(tmp_path: Path, text: str, expected: bool) -> None:
    root = tree(tmp_path, {"sys/devices/platform/soc/soc:firmware/get_throttled": text + "\n"})
    assert board.is_throttled(root) is expected


def test_a_power_mode_without_a_name_is_a_number(tmp_path: Path) -> None:
    assert board.power_mode(tree(tmp_path, {"var/lib/nvpmodel/status": "pmode:0003 fmode:quiet"})) == "mode 3"


def test_broken_sensors_are_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path, {"sys/class/thermal/thermal_zone0/temp": "hot", "sys/class/thermal/thermal_zone1/type": "x"})
    assert board.temperatures(root) == {}
