"""What board this is: model, JetPack, memory, clocks, temperatures, power, cameras, read from files and nothing else.

Every function takes the root of the file system, so that it is tested on a made-up tree. What a board does not tell is
None, an empty list, or missing from a mapping; nothing raises.
"""

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path("/")

# Chip in the device tree -> GPU compute capability (NVIDIA's list of CUDA GPUs).
TEGRA_SM = {
    "nvidia,tegra210": "5.3",  # Nano, TX1
    "nvidia,tegra186": "6.2",  # TX2
    "nvidia,tegra194": "7.2",  # Xavier
    "nvidia,tegra234": "8.7",  # Orin
    "nvidia,tegra264": "11.0",  # Thor
}
_LEAST_LIMIT_C = 60
# L4T major release -> JetPack.
_JETPACK = {32: "4", 35: "5", 36: "6", 38: "7", 39: "7"}


@dataclass(frozen=True)
class Clock:
    """A clock domain in MHz: what it runs at and between which limits it may; `governor` decides."""

    name: str
    now_mhz: int
    least_mhz: int
    most_mhz: int
    governor: str

    @property
    def is_pinned(self) -> bool:
        """Whether it cannot change, as after jetson_clocks: what a repeatable measurement wants."""
        return self.least_mhz == self.most_mhz


@dataclass(frozen=True)
class CameraDevice:
    """A V4L2 device: its path and what its driver calls it."""

    device: str
    name: str


@dataclass(frozen=True)
class Release:
    """A Jetson's software: `l4t` ("36.4.3"), and `jetpack` as far as that tells ("6")."""

    l4t: str
    jetpack: str | None


def model(root: Path = ROOT) -> str | None:
    """The board's name from the device tree, or a PC's from its firmware."""
    return _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name")


def chip(root: Path = ROOT) -> str | None:
    """The system on chip from the device tree ("nvidia,tegra234"), the most general of its names."""
    names = (_text(root / "proc/device-tree/compatible") or "").split("\0")
    return next((name for name in reversed(names) if name), None)


def compute_capability(root: Path = ROOT) -> str | None:
    """The GPU's compute capability of a Jetson ("8.7"), by its chip."""
    names = (_text(root / "proc/device-tree/compatible") or "").split("\0")
    return next((TEGRA_SM[name] for name in names if name in TEGRA_SM), None)


def release(root: Path = ROOT) -> Release | None:
    """The L4T release of a Jetson: its first line is "# R36 (release), REVISION: 4.3, GCID: ..."."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", _text(root / "etc/nv_tegra_release") or "")
    if found is None:
        return None
    return Release(f"{found[1]}.{found[2]}", _JETPACK.get(int(found[1])))


def driver(root: Path = ROOT) -> str:
    """The GPU's kernel driver: "L4T 36.4.3" on a Jetson, "NVIDIA 550.54.15" on a PC, "unknown" where none tells."""
    if (jetson := release(root)) is not None:
        return f"L4T {jetson.l4t}"
    found = re.search(r"\s(\d+\.\d+[.\d]*)\s", _text(root / "proc/driver/nvidia/version") or "")
    return f"NVIDIA {found[1]}" if found else "unknown"


def power_mode(root: Path = ROOT) -> str | None:
    """The name of the Jetson's power mode ("15W", "MAXN"), as nvpmodel left it."""
    state = re.search(r"pmode:(\d+)", _text(root / "var/lib/nvpmodel/status") or "")
    if state is None:
        return None
    names = re.findall(r"POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", _text(root / "etc/nvpmodel.conf") or "")
    number = int(state[1])
    return next((name for i, name in names if int(i) == number), f"mode {number}")


def clocks(root: Path = ROOT) -> list[Clock]:
    """The clocks of the CPU clusters and of the GPU."""
    found = [
        _clock(f"cpu {folder.name.removeprefix('policy')}", folder, "scaling_{}_freq", "scaling_governor", 1000)
        for folder in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"), key=_number)
    ]
    # devfreq names devices by address and chip: 17000000.gpu, 17000000.ga10b, 17000000.gv11b, 57000000.gpu
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        if re.search(r"\.(gpu|g[a-z]\d+[a-z]?)$", folder.name):
            found.append(_clock("gpu", folder, "{}_freq", "governor", 1_000_000))
    return [clock for clock in found if clock is not None]


def _clock(name: str, folder: Path, pattern: str, governor: str, per_mhz: int) -> Clock | None:
    values = [_integer(folder / pattern.format(which)) for which in ("cur", "min", "max")]
    now, least, most = (None if v is None else round(v / per_mhz) for v in values)
    if now is None or least is None or most is None:
        return None
    return Clock(name, now, least, most, _text(folder / governor) or "")


def temperatures(root: Path = ROOT) -> dict[str, float]:
    """Degrees Celsius by thermal zone; zones that are switched off and refuse to be read are left out."""
    found = {}
    for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=_number):
        value = _integer(folder / "temp")
        if value is not None and value > -100_000:  # -256000 and the like mean "no reading"
            found[_text(folder / "type") or folder.name] = value / 1000
    return found


def limits_c(root: Path = ROOT) -> dict[str, float]:
    """The temperature by thermal zone from which on the kernel slows the board down: its lowest passive trip point.

    Those below `_LEAST_LIMIT_C` are left out: firmware of PCs has some that mean nothing.
    """
    found = {}
    for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=_number):
        kinds = [kind for kind in folder.glob("trip_point_*_type") if _text(kind) == "passive"]
        points = [_integer(kind.with_name(kind.name.removesuffix("type") + "temp")) for kind in kinds]
        least = min((point / 1000 for point in points if point and point >= 1000 * _LEAST_LIMIT_C), default=None)
        if least is not None:
            found[_text(folder / "type") or folder.name] = least
    return found


def power_w(root: Path = ROOT) -> dict[str, float]:
    """Watts by rail, from the INA3221 monitors of a Jetson ("VDD_IN" is the whole board)."""
    found = {}
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*"), key=_number):
        if _text(folder / "name") != "ina3221":
            continue
        for label in sorted(folder.glob("in*_label")):
            channel = label.name.removeprefix("in").removesuffix("_label")
            volts, amperes = _integer(folder / f"in{channel}_input"), _integer(folder / f"curr{channel}_input")
            if volts is not None and amperes is not None:
                found[_text(label) or channel] = volts * amperes / 1e6  # mV and mA
    return found


def memory_bytes(root: Path = ROOT) -> int | None:
    """The memory of the board."""
    found = re.search(r"MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo") or "")
    return int(found[1]) << 10 if found else None


def cpu(root: Path = ROOT) -> str | None:
    """The processor's name, where /proc/cpuinfo gives one (x86 does, ARM rarely)."""
    found = re.search(r"model name\s*:\s*(.+)", _text(root / "proc/cpuinfo") or "")
    return found[1].strip() if found else None


def has_int8_dot_product(root: Path = ROOT) -> bool:
    """Whether the CPU multiplies int8 vectors in one step (ARM dotprod, x86 VNNI): without it INT8 gains little."""
    features = set(re.findall(r"\S+", _text(root / "proc/cpuinfo") or ""))
    return bool(features & {"asimddp", "avx512_vnni", "avx_vnni"})


def cameras(root: Path = ROOT) -> list[CameraDevice]:
    """The V4L2 devices, in the order of their numbers."""
    folders = sorted((root / "sys/class/video4linux").glob("video*"), key=_number)
    return [CameraDevice(f"/dev/{folder.name}", _text(folder / "name") or "") for folder in folders]


def is_throttled(root: Path = ROOT) -> bool | None:
    """Whether a Raspberry Pi is held back now by heat or low voltage; None where no firmware tells."""
    text = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    now = 0xF  # bits 0-3: under-voltage, frequency capped, throttled, soft temperature limit
    return None if text is None else bool(int(text, 16) & now)


@dataclass(frozen=True)
class Reading:
    """What the sensors say at one time; see the functions of these names."""

    temperatures_c: dict[str, float]
    clocks: list[Clock]
    power_w: dict[str, float]
    throttled: bool | None


def reading(root: Path = ROOT) -> Reading:
    """All sensors, which takes about a millisecond."""
    return Reading(temperatures(root), clocks(root), power_w(root), is_throttled(root))


def facts(root: Path = ROOT) -> dict[str, Any]:
    """All of the above, JSON-ready: what a measurement must carry to mean anything."""
    jetson = release(root)
    return {
        "model": model(root),
        "chip": chip(root),
        "cpu": cpu(root),
        "cores": len(os.sched_getaffinity(0)),
        "int8_dot_product": has_int8_dot_product(root),
        "memory_bytes": memory_bytes(root),
        "compute_capability": compute_capability(root),
        "l4t": jetson.l4t if jetson else None,
        "jetpack": jetson.jetpack if jetson else None,
        "driver": driver(root),
        "power_mode": power_mode(root),
        "clocks": [asdict(clock) | {"pinned": clock.is_pinned} for clock in clocks(root)],
        "temperatures_c": temperatures(root),
        "power_w": power_w(root),
        "throttled": is_throttled(root),
        "cameras": [asdict(camera) for camera in cameras(root)],
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", errors="replace").strip("\0\n ")
    except OSError:  # absent, or a sensor that is switched off
        return None


def _integer(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


def _number(path: Path) -> tuple[int, str]:
    digits = re.sub(r"\D", "", path.name)
    return int(digits or 0), path.name
