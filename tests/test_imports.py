"""The rules of importing: what stays unloaded in a fresh interpreter, and the one direction between packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("cv2", "numba", "onnxruntime", "onnx", "torch", "scipy", "trackeval", "tensorrt", "pycuda", "rich")

# From the ground up: a module imports its own level and those below. A name that is not listed has no place yet.
LEVELS = (
    {
        "types",
        "errors",
        "schema",
        "spans",
        "events",
        "modelpack",
        "motchallenge",
        "board",
        "fetch",
        "files",
        "kernels",
        "console",
    },
    {"settings", "track", "detect", "reid", "infer", "video", "demo"},
    {"sinks", "chain"},
    {"service", "profile", "val"},
    {"commands"},
    {"cli"},
)


def loaded_after(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    paths = (ROOT / package).rglob("*.py")
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths)


def imports_of(module: str) -> set[str]:
    """Every module that `module` imports anywhere in its source, also inside functions."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    "statement",
    ["import edge", "from edge import Detections, Frame, Tracks", "import edge.cli", "import edge.modelpack"],
)
def test_light_imports_stay_light(statement: str) -> None:
    assert loaded_after(statement).isdisjoint({*HEAVY, "export", "calibration"})


def test_the_tracker_needs_neither_opencv_nor_a_backend() -> None:
    loaded = loaded_after("from edge import Tracker; Tracker('nanotrack')")
    assert "numba" in loaded
    assert loaded.isdisjoint({"cv2", "onnxruntime", "onnx", "torch"})


def test_tracking_needs_nothing_of_the_workstation() -> None:
    loaded = loaded_after("import edge.commands.track, edge.chain.pipeline, edge.sinks.video, edge.sinks.jsonl")
    assert loaded.isdisjoint({"export", "calibration", "onnx", "torch", "trackeval", "tests", "benchmarks"})


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("edge", {"export", "calibration", "benchmarks", "tests", "onnx", "torch"}),
        ("calibration", {"export", "benchmarks", "tests", "torch"}),
        ("export", {"benchmarks", "tests"}),
    ],
)
def test_packages_do_not_look_up(package: str, forbidden: set[str]) -> None:
    for module in modules_of(package):
        used = {name.partition(".")[0] for name in imports_of(module)}
        assert used.isdisjoint(forbidden), f"{module} imports {used & forbidden}"


def level_of(module: str) -> int | None:
    """The level of `edge.<name>...`; None for `edge` itself, whose names are loaded on first use."""
    parts = module.split(".")
    if parts[0] != "edge" or len(parts) == 1 or parts[1].startswith("_") or parts[1][0].isupper():
        return None
    return next((level for level, names in enumerate(LEVELS) if parts[1] in names), None)


def test_every_module_of_edge_has_its_level() -> None:
    names = {module.split(".")[1] for module in modules_of("edge") if "." in module}
    assert names <= set().union(*LEVELS), f"give {names - set().union(*LEVELS)} a level"


def test_imports_point_one_way() -> None:
    for module in modules_of("edge"):
        own = level_of(module)
        if own is None:
            continue
        for name in imports_of(module):
            other = level_of(name)
            assert other is None or other <= own, f"{module} imports {name}, which stands above it"


def test_the_association_core_does_no_input_or_output() -> None:
    allowed = {"edge.track", "edge.kernels", "edge.types", "edge.errors"}
    for module in modules_of("edge.track".replace(".", "/")):
        for name in imports_of(module):
            top = name.partition(".")[0]
            assert top not in {"cv2", "time", "datetime", "random", "onnxruntime"}, f"{module} imports {name}"
            assert top != "edge" or any(name.startswith(prefix) for prefix in allowed), f"{module} imports {name}"
