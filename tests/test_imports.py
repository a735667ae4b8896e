"""The rules of importing: what stays unloaded in a fresh interpreter, and the one direction between packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("cv2", "numba", "onnxruntime", "onnx", "torch", "scipy", "trackeval", "tensorrt", "pycuda", "rich", "pydantic")

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
        "weights",
        "files",
        "kernels",
        "console",
        "drawing",
    },
    {"settings", "track", "detect", "reid", "infer", "video", "demo"},
    {"sinks", "chain"},
    {"service", "profile", "val", "batch"},
    {"fleet"},
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
    assert loaded.isdisjoint({"cv2", "onnxruntime", "onnx", "torch", "pydantic"})


def test_tracking_needs_nothing_of_the_workstation() -> None:
    loaded = loaded_after(
        "import edge.commands.track, edge.chain.pipeline, edge.sinks.video, edge.sinks.jsonl, edge.sinks.mot"
    )
    assert "pydantic" not in loaded
    assert loaded.isdisjoint({"export", "calibration", "onnx", "torch", "trackeval", "tests", "benchmarks"})


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("edge", {"export", "calibration", "benchmarks", "tests", "onnx", "torch"}),
        ("calibration", {"export", "benchmarks", "tests", "torch"}),
        ("export", {"benchmarks", "tests"}),
        ("benchmarks", {"tests"}),
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


def places_of(module: str) -> str:
    """The dotted path of a module's file, with the folder's own `__init__` as an entry of the folder."""
    path = ROOT / Path(*module.split("."))
    return f"{module}.__init__" if path.is_dir() else module


def sibling_graphs(packages: tuple[str, ...]) -> dict[str, dict[str, set[str]]]:
    """For each folder, which of its entries (files and folders) import which others, lazily or for typing included.

    An import of a.b.c from a.d is an edge from d to b in the graph of folder a.
    """
    modules = {module for package in packages for module in modules_of(package)}
    graphs: dict[str, dict[str, set[str]]] = {}
    for module in modules:
        for name in imports_of(module):
            target = name if name in modules else name.rpartition(".")[0]
            if target not in modules:
                continue
            here, there = places_of(module).split("."), places_of(target).split(".")
            same = next(i for i, (a, b) in enumerate(zip([*here, ""], [*there, ""], strict=False)) if a != b or not a)
            if 0 < same < min(len(here), len(there)):
                graphs.setdefault(".".join(here[:same]), {}).setdefault(here[same], set()).add(there[same])
    return graphs


def components(graph: dict[str, set[str]]) -> list[set[str]]:
    """The strongly connected components of more than one node: those that reach each other."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        todo = [start]
        while todo:
            fresh = graph.get(todo.pop(), set()) - found
            found |= fresh
            todo += fresh
        return found

    reach = {node: reached(node) for node in graph}
    groups = {frozenset({b for b in reach[a] if a in reach.get(b, ())} | {a}) for a in graph}
    return sorted((set(group) for group in groups if len(group) > 1), key=sorted)


@pytest.mark.parametrize("package", ["edge", "export", "calibration"])
def test_no_files_and_no_folders_import_each_other(package: str) -> None:
    found = {
        folder: groups for folder, graph in sorted(sibling_graphs((package,)).items()) if (groups := components(graph))
    }
    assert found == {}


def test_a_cycle_over_a_lazy_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "p/__init__.py": "",
        "p/a.py": "def f():\n    from p.folder import b",
        "p/folder/__init__.py": "",
        "p/folder/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import f",
        "p/c.py": "import p.a",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert {f: g for f, graph in sibling_graphs(("p",)).items() if (g := components(graph))} == {"p": [{"a", "folder"}]}


def test_few_modules_lie_at_the_top() -> None:
    top = {path.stem for path in (ROOT / "edge").glob("*.py")} - {"__init__"}
    assert len(top) <= 10, sorted(top)


def test_the_association_core_does_no_input_or_output() -> None:
    allowed = {"edge.track", "edge.kernels", "edge.types", "edge.errors"}
    for module in modules_of("edge.track".replace(".", "/")):
        for name in imports_of(module):
            top = name.partition(".")[0]
            assert top not in {"cv2", "time", "datetime", "random", "onnxruntime"}, f"{module} imports {name}"
            assert top != "edge" or any(name.startswith(prefix) for prefix in allowed), f"{module} imports {name}"
