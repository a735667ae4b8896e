"""What of this board and its software is fit for tracking: findings, each with what to do about it.

Nothing here raises for a broken installation: to say what is broken is the purpose.
"""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edge import board
from edge.errors import NanoTrackError
from edge.infer import storage
from edge.infer.ladder import LADDER, Ladder, Rung
from edge.infer.openvino import available as openvino
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.versions import is_untried
from edge.modelpack import ModelPack

# "good" works, "note" is worth knowing, "lacking" limits what can be done, "broken" will fail.
State = Literal["good", "note", "lacking", "broken"]

_PACKAGE = Path(__file__).parents[1]
OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis: in which `section`, about what, how it is, and what to do ("" when nothing)."""

    section: str
    topic: str
    state: State
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class RungState:
    """One rung of the ladder: usable, or why not. `detail` says what was seen, or what it computes on."""

    rung: str
    usable: bool
    reason: str
    detail: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def board_findings(root: Path = board.ROOT) -> list[Finding]:
    """The hardware: board, memory, clocks and power, temperatures."""
    facts = board.facts(root)
    about = "board"
    name = facts["model"] or facts["cpu"] or platform.machine()
    memory = f", {facts['memory_bytes'] / 2**30:.1f} GiB" if facts["memory_bytes"] else ""
    found = [Finding(about, "board", "good", f"{name}, {facts['cores']} cores{memory}")]
    if not facts["int8_dot_product"]:
        text = "the CPU has no int8 dot product: on it INT8 gains little or nothing over float32"
        found.append(Finding(about, "int8", "note", text))
    if facts["l4t"]:
        old = facts["jetpack"] in ("4", "5")
        found.append(
            Finding(
                about,
                "JetPack",
                "lacking" if old else "good",
                f"{facts['jetpack'] or 'unknown'} (L4T {facts['l4t']})",
                "TensorRT is used from JetPack 6 on; until then this board tracks on its CPU" if old else "",
            )
        )
    if facts["power_mode"]:
        found.append(Finding(about, "power mode", "good", facts["power_mode"]))
    for clock in board.clocks(root):
        text = f"{clock.now_mhz} MHz of {clock.most_mhz}" + (", pinned" if clock.is_pinned else f" ({clock.governor})")
        found.append(Finding(about, f"{clock.name} clock", "good", text))
    if facts["temperatures_c"]:
        zone, degrees = max(facts["temperatures_c"].items(), key=lambda item: item[1])
        found.append(Finding(about, "hottest", "note" if degrees > 85 else "good", f"{zone} {degrees:.0f} °C"))
    if facts["throttled"]:
        remedy = "cool it, and use a supply that holds 5 V under load"
        found.append(Finding(about, "throttling", "broken", "slowed down now because of heat or low voltage", remedy))
    return found


def camera_findings(root: Path = board.ROOT) -> list[Finding]:
    """Each V4L2 camera, and whether this user may open it."""
    found = []
    for camera in board.cameras(root):
        allowed = os.access(root / camera.device.lstrip("/"), os.R_OK | os.W_OK)
        remedy = "" if allowed else "add the user to the group video, then log in again"
        found.append(Finding("cameras", camera.device, "good" if allowed else "broken", camera.name, remedy))
    return found or [Finding("cameras", "cameras", "note", "none attached (files and network streams need none)")]


def software_findings() -> list[Finding]:
    """Python and the packages that tracking needs."""
    about = "software"
    inside = "virtual environment" if sys.prefix != sys.base_prefix else "system"
    found = [Finding(about, "Python", "good", f"{platform.python_version()}, {platform.machine()}, {inside}")]
    for package in ("numpy", "numba"):
        try:
            found.append(Finding(about, package, "good", importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Finding(about, package, "broken", "not installed", f"pip install {package}"))
    return [*found, _onnxruntime(), _openvino(), *opencv_findings(_installed(OPENCVS), _import_cv2)]


def _onnxruntime() -> Finding:
    try:
        import onnxruntime
    except ImportError as error:
        return Finding("software", "ONNX Runtime", "broken", str(error), "pip install onnxruntime")
    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    return Finding("software", "ONNX Runtime", "good", f"{onnxruntime.__version__}, providers: {providers}")


def _openvino() -> Finding:
    try:
        return Finding("software", "OpenVINO", "good", openvino.version())
    except RungError as error:
        return Finding("software", "OpenVINO", "note", f"{error.detail}; it may be faster", error.reason.remedy)


def _installed(names: tuple[str, ...]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _import_cv2() -> Any:
    import cv2

    return cv2


def opencv_findings(packages: dict[str, str], load: Callable[[], Any]) -> list[Finding]:
    """OpenCV from its installed `packages` (name to version) and the module that `load` gives."""
    about = "software"
    found = []
    if len(packages) > 1:
        names = " and ".join(f"{name} {version}" for name, version in packages.items())
        remedy = f"pip uninstall -y {' '.join(packages)} && pip install opencv-python-headless"
        found.append(Finding(about, "OpenCV", "broken", f"{names} overwrite each other's files", remedy))
    try:
        cv2 = load()
        build = cv2.getBuildInformation()
        version = cv2.__version__
    except (ImportError, AttributeError) as error:  # after an uninstall cv2 can be an empty folder
        found.append(Finding(about, "OpenCV", "broken", str(error), "pip install opencv-python-headless"))
        return found
    found.append(Finding(about, "OpenCV", "good", version))
    if not re.search(r"FFMPEG:\s+YES", build):
        remedy = "pip install opencv-python-headless, which has it"
        found.append(Finding(about, "FFmpeg", "lacking", "not in this OpenCV: no RTSP, few video files", remedy))
    gstreamer = re.search(r"GStreamer:\s+YES(?: \(([\d.]+)\))?", build)
    if gstreamer:
        found.append(Finding(about, "GStreamer", "good", gstreamer[1] or "yes"))
    else:
        remedy = "for csi:// use JetPack's OpenCV (apt install python3-opencv) in an environment that sees it"
        found.append(Finding(about, "GStreamer", "lacking", "not in this OpenCV: no CSI cameras (csi://)", remedy))
    return found


def cache_findings(kernels: Mapping[str, str]) -> list[Finding]:
    """The caches: compiled `kernels` (see `edge.commands.doctor.kernels`), and TensorRT engines."""
    from edge.kernels import cache

    about = "caches"
    parts = [name.split("/") for name in kernels.values()]
    try:
        cold = [name for room, name in parts if not cache.is_stored(_PACKAGE / room, name)]
        place = cache.cache_folder().parent
    except NanoTrackError as error:
        return [Finding(about, "kernels", "broken", str(error), "export NUMBA_CACHE_DIR=~/.cache/nanotrack/numba")]
    if cold:
        text = f"{len(cold)} of {len(kernels)} parts not compiled yet, in {place}"
        compiled = Finding(about, "kernels", "lacking", text, "nanotrack doctor --warm")
    else:
        compiled = Finding(about, "kernels", "good", f"compiled, in {place}")
    folder = storage.default_folder()
    engines = len(list(folder.glob("*.plan"))) if folder.is_dir() else 0
    text = f"{engines} in {folder}" if engines else f"none in {folder}"
    try:
        if engines:
            storage.require_private(folder)
        return [compiled, Finding(about, "engines", "good", text)]
    except RungError as error:
        return [compiled, Finding(about, "engines", "broken", error.detail, error.reason.remedy)]


def gpu_findings(ladder: Ladder) -> list[Finding]:
    """What the probe found out about CUDA and TensorRT."""
    about = "GPU"
    try:
        gpu = ladder.gpu()
    except RungError as error:
        jetson = board.release() is not None
        text = f"{error.reason.value}: {error.detail}"
        found = [Finding(about, "TensorRT", "lacking" if jetson else "note", text, error.reason.remedy)]
        return found + (pycuda_findings() if error.reason is Reason.NO_PYCUDA else [])
    int8 = "INT8 and FP16" if gpu.has_int8 else "FP16, no INT8"
    untried = "; newer than any that was tried" if is_untried(gpu.tensorrt) else ""
    return [
        Finding(about, "GPU", "good", f"{gpu.name}, compute capability {gpu.sm}, {int8}"),
        Finding(about, "CUDA", "good", f"{gpu.cuda}, {gpu.driver}"),
        Finding(about, "TensorRT", "note" if untried else "good", gpu.tensorrt + untried),
    ]


def pycuda_findings(root: Path = board.ROOT) -> list[Finding]:
    """What is missing to build pycuda, which exists as source only: the compiler, and the header that it includes."""
    cuda = root / "usr/local/cuda"
    remedy = "apt install nvidia-cuda-dev (JetPack's), then export PATH=/usr/local/cuda/bin:$PATH"
    wanted = {"nvcc": cuda / "bin/nvcc", "cuda.h": cuda / "include/cuda.h"}
    return [
        Finding("GPU", name, "lacking", f"no {path}, without which pycuda cannot be built", remedy)
        for name, path in wanted.items()
        if not path.exists()
    ]


def rung_states(ladder: Ladder, pack: ModelPack | None) -> list[RungState]:
    """Each rung: with a pack opened and checked, without one as far as the board alone tells."""
    return [_rung_state(ladder, rung, pack) for rung in LADDER]


def _rung_state(ladder: Ladder, rung: Rung, pack: ModelPack | None) -> RungState:
    try:
        if pack is None:
            ladder.require_board(rung)
            return RungState(rung.name, True, "", "as far as the board alone tells", "")
        ladder.open_rung(rung, pack, "detector").backend.close()
        return RungState(rung.name, True, "", "opened, and right on the pack's golden input", "")
    except RungError as error:
        remedy = error.reason.remedy_for(pack.folder) if pack else error.reason.remedy
        return RungState(rung.name, False, error.reason.value, error.detail, remedy)
    except NanoTrackError as error:
        return RungState(rung.name, False, Reason.BACKEND_FAILED.value, str(error), "")


def next_command(findings: list[Finding], rungs: list[RungState], pack: ModelPack | None) -> str:
    """What to type next: the remedy of the worst finding, else the engines, else a first run."""
    for state in ("broken", "lacking"):
        for finding in findings:
            if finding.state == state and finding.remedy.startswith(("nanotrack ", "pip ", "export ")):
                return finding.remedy
    if pack is None:
        return "nanotrack doctor PACK"
    if any(rung.reason in ("engine_missing", "engine_stale") for rung in rungs):
        return f"nanotrack build {pack.folder}"
    return f"nanotrack track --path demo:// --model {pack.folder} --save out.mp4"
