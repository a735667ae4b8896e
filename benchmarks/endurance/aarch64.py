"""Whether all works on aarch64: a Debian arm64 root under user-mode emulation, our package in it, parity and tests.

    sudo make aarch64

Emulated: it proves function and numbers, never speed, so it shows no times. It needs root, debootstrap and
qemu-user-static with its binfmt entry (on Debian: apt install debootstrap qemu-user-static binfmt-support). The root
stays in out/aarch64 for the next time; mounts are of a namespace of their own and end with each command.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import table, write_section
from edge.infer.ladder import LADDER

PROJECT = Path(__file__).parents[2]
PYTHON = "/opt/nanotrack/bin/python"
# What the tests need and Debian's minimal root lacks.
PACKAGES = "ca-certificates,python3,python3-venv,gcc,libc6-dev,git"
# Name resolution, certificates and pip's settings are the host's.
SHARED_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


class Core(NamedTuple):
    """A processor core as /proc/cpuinfo tells it, which user-mode emulation leaves to the host."""

    kind: str
    features: str
    part: str


# ONNX Runtime's integer kernels differ by whether the core has dot products of bytes: a Raspberry Pi 4 and a 5.
CORES = {
    "cortex-a72": Core("without dot products", "fp asimd evtstrm crc32 cpuid", "0xd08"),
    "cortex-a76": Core(
        "with dot products",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
        "0xd0b",
    ),
}
# What Linux tells of one core under /sys/devices/system; without it OpenVINO's threads end in a segmentation fault.
SYSTEM = {f"cpu/{name}": "0" for name in ("possible", "present", "online")}
SYSTEM |= {f"cpu/cpu0/topology/{name}": "0" for name in ("core_id", "physical_package_id", "cluster_id")}
SYSTEM |= {
    f"cpu/cpu0/topology/{name}{suffix}": mask
    for name in ("thread_siblings", "core_siblings", "core_cpus", "package_cpus", "cluster_cpus")
    for suffix, mask in (("", "1"), ("_list", "0"))
}
SYSTEM |= {"cpu/cpu0/regs/identification/midr_el1": "0x0"}  # that of the core comes over it
SYSTEM |= {"node/online": "0", "node/node0/cpumap": "1", "node/node0/cpulist": "0"}
# What runs on a board. The exporter and the calibration run on workstations and would take hours under emulation.
TESTS = ("track", "detect", "infer", "reid", "video", "sinks", "service")
SCORES = ("HOTA", "MOTA", "IDF1")
# Small, since an emulated network of 416x416 takes 17 s a frame.
SIZE = "416x256"
STREETS = [f"demo://?people=20&fps=1&frames=16&seed={seed}" for seed in (100_000, 100_001)]
SCENE = "demo://?people=8&seed=3&frames=16&size=640x384"


def main() -> None:
    """Make or reuse the root, install, check, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=PROJECT / "out/aarch64", help="default: out/aarch64")
    parser.add_argument(
        "--tests", nargs="+", default=TESTS, metavar="FOLDER", help="of tests/; default: " + " ".join(TESTS)
    )
    args = parser.parse_args()
    require_tools()
    root = args.root.resolve()
    make_root(root)
    install(root)
    export(root)
    parts = [
        f"Debian 12 for arm64 under {emulator()}: function and numbers, no speed. {described(root)}.",
        f"The built-in detector for pictures of {SIZE}, exported on the host; relative error of the pack's golden"
        f" outputs on every rung of a CPU.\n\n{table(['rung', 'core', 'error', 'at most', ''], parity(root))}",
        f"`nanotrack demo` with that detector, {SCENE}, scored by TrackEval, beside the same on the host:\n\n"
        + table(["precision", *(f"{name}{where}" for where in ("", ", host") for name in SCORES)], demonstrated(root)),
        f"`pytest` of {', '.join(args.tests)}: {tested(root, args.tests)}.",
    ]
    body = "\n\n".join(parts)
    sys.stdout.write(body + "\n")
    write_section("aarch64", "aarch64 under emulation", body, "make aarch64", ["nanotrack-edge"])


def require_tools() -> None:
    """Exit with the command that helps where something is missing."""
    missing = [tool for tool in ("debootstrap", "unshare", "chroot") if shutil.which(tool) is None]
    missing += [] if os.geteuid() == 0 else ["root"]
    missing += [] if Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists() else ["the binfmt entry qemu-aarch64"]
    if missing:
        sys.exit(
            f"make aarch64: {', '.join(missing)} missing; on Debian: apt install debootstrap qemu-user-static"
            " binfmt-support (in a container also: mount -t binfmt_misc none /proc/sys/fs/binfmt_misc;"
            " update-binfmts --enable qemu-aarch64), then sudo make aarch64"
        )


def make_root(root: Path) -> None:
    """A minimal Debian for arm64 in `root`, unless one is there."""
    if not (root / "usr/bin/python3").exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", "--arch=arm64", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        subprocess.run(command, check=True)
    for name in SHARED_FILES:
        if Path(name).exists():
            shutil.copyfile(name, root / name.lstrip("/"))
    for name, core in CORES.items():
        (root / f"etc/{name}.cpuinfo").write_text(
            f"processor\t: 0\nFeatures\t: {core.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x0\nCPU part\t: {core.part}\nCPU revision\t: 1\n"
        )
        (root / f"etc/{name}.midr").write_text(f"0x{0x410F0001 | int(core.part, 16) << 4:016x}\n")
    for name, content in SYSTEM.items():  # not the host's, whose processors are of another kind
        path = root / "sys/devices/system" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def inside(
    root: Path, script: str, core: str = "cortex-a76", *, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run a shell script in the root on an emulated `core`, with /proc and /dev, as root."""
    mounts = (
        f"mount -t proc proc {root}/proc && mount --bind {root}/etc/{core}.cpuinfo {root}/proc/cpuinfo"
        f" && mount --bind {root}/etc/{core}.midr {root}/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"
        f" && mount --rbind /dev {root}/dev"
    )
    environ = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environ |= {"PATH": "/opt/nanotrack/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "OMP_NUM_THREADS": "1"}
    command = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec chroot "$0" sh -ec "$1"', str(root), script]
    done = subprocess.run(command, env={**environ, "QEMU_CPU": core}, stdout=subprocess.PIPE, text=True, check=False)
    if check and done.returncode:
        sys.exit(f"{script}\nended with status {done.returncode}:\n{done.stdout[-2000:]}")
    return done


def install(root: Path) -> None:
    """The project's tracked files in /src/nanotrack, and the package with its tests' needs in a virtual environment."""
    source = root / "src/nanotrack"
    shutil.rmtree(source, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, source / name)
    inside(root, f"[ -x {PYTHON} ] || python3 -m venv /opt/nanotrack")
    inside(root, f"cd /src/nanotrack && {PYTHON} -m pip install -q -e '.[test]'")
    inside(root, f"{PYTHON} -m pip install -q --no-deps trackeval==1.3.0")


def export(root: Path) -> None:
    """/small.pack in the root: the built-in detector with both precisions, made by the host."""
    weights = PROJECT / "edge/demo/weights/detector.pth"
    command = [sys.executable, "-m", "export.cli", "pack", "--detector", str(weights), "--input-size", SIZE]
    command += ["--calibrate", *STREETS, "--boards", "cpu", "--limits", "ap50=0,ap=0,score_bias=1"]
    subprocess.run([*command, "--force", "-o", str(root / "small.pack")], cwd=PROJECT, check=True)


def emulator() -> str:
    """The emulator's name and version."""
    text = subprocess.run(["qemu-aarch64-static", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version ([\d.]+)", text)
    return f"qemu-user {found[1] if found else 'of unknown version'}"


def described(root: Path) -> str:
    """Machine and versions as seen from inside."""
    program = (
        "import importlib.metadata, platform\n"
        "print(platform.machine(), 'Python ' + platform.python_version(), sep=', ', end='')\n"
        "for name in ('numpy', 'numba', 'onnxruntime', 'openvino', 'onnx', 'opencv-python-headless'):\n"
        "    print(',', name, importlib.metadata.version(name), end='')"
    )
    return inside(root, f'{PYTHON} -c "{program}"').stdout.strip()


PARITY = """
import sys
from edge import modelpack
from edge.errors import NanoTrackError
from edge.infer import golden
from edge.infer.openvino import available, build

rung = sys.argv[1]
pack = modelpack.read("/small.pack")
kind = available.variant_of(pack.detector, rung) if rung in available.RUNGS else rung.partition("-")[2]
try:
    opened = build.open_checked(pack, "detector", rung, kind, {"threads": 1, "max_batch": 1})
    found = golden.parity(opened, golden.read(pack, "detector"), available.golden_name(rung, kind), 1)
    print(f"{found.error:.2g}", f"{found.limit:.2g}", "right", sep="|")
except NanoTrackError as error:
    print("", "", str(error).replace("|", "/"), sep="|")
"""


def parity(root: Path) -> list[list[str]]:
    """A row for each rung and core: how far the network is from float32 on the host, and how far it may be; or why
    it does not run."""
    (root / "parity.py").write_text(PARITY, "utf-8")
    rows = []
    for core, told in CORES.items():
        for rung in (rung.name for rung in LADDER if rung.backend != "tensorrt"):
            done = inside(root, f"{PYTHON} /parity.py {rung}", core, check=False)
            found = done.stdout.strip() or f"||ended with status {done.returncode}"
            rows.append([rung, f"{core}, {told.kind}", *found.split("|")])
    return rows


def demonstrated(root: Path) -> list[list[str]]:
    """A row for each precision: what the demo says of its tracks, inside and on the host."""
    demo = ["demo", "--scene", SCENE, "--model"]
    inside(root, f"nanotrack {shlex.join([*demo, '/small.pack', '--out', '/tmp/demo'])}")
    here = [*demo, str(root / "small.pack"), "--out", str(root / "tmp/host")]
    subprocess.run([sys.executable, "-m", "edge.cli", *here], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    emulated, host = _scores(root / "tmp/demo"), _scores(root / "tmp/host")
    return [[rung, *emulated[rung], *host[rung]] for rung in emulated]


def _scores(folder: Path) -> dict[str, list[str]]:
    """The scores of a demo's folder by rung."""
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return {run["rung"]: [f"{run['scores'][name]:.1f}" for name in SCORES] for run in [report, *report["beside"]]}


def tested(root: Path, folders: list[str]) -> str:
    """The closing line of pytest, without its time."""
    paths = " ".join(f"tests/{folder}" for folder in folders)
    command = f"{PYTHON} -m pytest -q -n auto -m 'not slow and not gpu and not jetson' {paths}"
    done = inside(root, f"cd /src/nanotrack && {command}", check=False)
    lines = done.stdout.strip().splitlines() or [""]
    sys.stderr.write("\n".join(lines[-60:]) + "\n")
    return re.sub(r" in [\d.]+s.*", "", lines[-1])


if __name__ == "__main__":
    main()
