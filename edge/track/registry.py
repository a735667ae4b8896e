"""Where methods are found by name: ours, and any from outside as `module:NAME`. Needs no compiler to be imported."""

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from edge.errors import UsageError
from edge.track.parameters import nearest

if TYPE_CHECKING:
    from edge.track.method import Choice, Method

# Each is the METHOD of the module of its name in `edge.track.methods`.
BUILT_IN = ("nanotrack", "bytetrack", "sparsetrack", "qdtrack", "jointtrack")
# Others to compare with: found by their names as well, and compiled when they are first used.
PEERS = ("ocsort", "botsort")


def find(name: str) -> "Method":
    """The method called `name`: one of BUILT_IN or PEERS, or "module:NAME" for the `Method` NAME of a module.

    Modules in the current folder are found too. Raises UsageError where there is none.
    """
    ours = (*BUILT_IN, *PEERS)
    if not isinstance(name, str):
        raise UsageError(f"tracking method: expected a name or an edge.track.method.Method, found {name!r}")
    if name in ours:
        method: Method = importlib.import_module(f"edge.track.methods.{name}").METHOD
        return method
    if ":" not in name:
        raise UsageError(
            f"tracking method {name!r} is unknown; {nearest(name, ours)} (a method of your own: module:NAME)"
        )
    if name.partition(":")[0] in ours:
        raise UsageError(
            f"tracking method {name!r}: expected the name alone; the preset is given by itself, as --preset"
            f" {name.partition(':')[2]} or, in Python, preset={name.partition(':')[2]!r}"
        )
    return _outside(name)


def choose(name: str, preset: str = "default") -> "Choice":
    """The method called `name` with one of its presets. Raises UsageError where there is none."""
    return find(name).choose(preset)


def algorithms() -> "list[Method]":
    """All of ours, those that are presets of another included."""
    named = [find(name) for name in BUILT_IN]
    others = [preset.method for method in named for preset in method.presets.values() if preset.method is not None]
    return [*named, *dict.fromkeys(others)]


def _outside(name: str) -> "Method":
    from edge.track.method import Method

    module_name, _, attribute = name.partition(":")
    try:
        module = _imported(module_name)
    except Exception as error:  # whatever the module of somebody else raises
        raise UsageError(
            f"tracking method {name!r}: cannot import {module_name!r}: {type(error).__name__}: {error}; "
            f"run this in the module's folder, or add that to PYTHONPATH (ours are {', '.join((*BUILT_IN, *PEERS))})"
        ) from error
    found = vars(module).get(attribute)
    if not isinstance(found, Method):
        what = "nothing of that name" if attribute not in vars(module) else f"a {type(found).__name__}"
        raise UsageError(
            f"tracking method {name!r}: expected an edge.track.method.Method called {attribute!r} in "
            f"{module.__file__}, found {what}"
        )
    return found


def _imported(module: str) -> ModuleType:
    """The module, found as usual or in the current folder."""
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        return importlib.import_module(module)
    sys.path.append(here)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(here)
