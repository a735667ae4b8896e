"""The record of a method, the registry, and a method from outside: it runs, is cached, and says what is wrong."""

import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import Tracker
from edge.errors import UsageError
from edge.kernels.jit import kernel
from edge.track import registry
from edge.track.method import Method
from tests.track.scenes import crowd, ids

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "nearest_method.py"


@pytest.mark.parametrize("method", registry.algorithms(), ids=lambda method: method.name)
def test_a_record_fits_its_parameters(method: Method) -> None:
    names = {field.name for field in dataclasses.fields(method.parameters)}
    explained = "".join(c.__doc__ or "" for c in method.parameters.__mro__)
    assert all(f"`{name}`" in explained for name in names)
    assert {method.high, method.low, method.appearance_iou} - {None} <= names
    assert ("logit_scale" in names) == method.wants_logit_scale
    assert ("coast_s" in names) == method.coasts
    assert method.shown_id in (method.track_dtype.names or ())
    for preset in ("default", *method.presets):
        choice = method.choose(preset)
        assert choice.build_parameters({}).track_buffer >= 0
        assert choice.needs_embeddings <= choice.takes_appearance


def test_no_record_begins_like_another() -> None:
    """Numba would take the longer one for the shorter, with a warning, and mix up their fields."""
    dtypes = {m.run_dtype for m in registry.algorithms()} | {m.track_dtype for m in registry.algorithms()}
    assert len(dtypes) == 10
    fields = [tuple((dtype.fields or {}).items()) for dtype in dtypes]
    for one, other in itertools.permutations(fields, 2):
        assert one != other[: len(one)]


def test_former_names_of_parameters_are_still_known() -> None:
    assert Tracker("nanotrack", looks_weight=0.4).parameters == Tracker(appearance_weight=0.4).parameters
    assert Tracker("bytetrack", looks_iou=0.4).parameters == Tracker("bytetrack", appearance_iou=0.4).parameters


def test_finding_methods_needs_no_compiler() -> None:
    code = "import edge.track.registry, sys; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def _python(code: str, folder: Path, cache: Path) -> str:
    """What `code` prints in an interpreter that runs in `folder`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_method_from_outside_runs_and_is_cached_until_its_file_changes(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    source = place / "nearest_method.py"
    source.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    code = f"""
import sys
sys.path.append({str(ROOT)!r})
sys.path.remove("")  # as in an installed command, whose first folder is not the current one
from edge import Tracker
from edge.kernels import jit
from edge.track import registry
from tests.track.scenes import crowd, ids
tracker = Tracker("nearest_method:METHOD", 25.0, reach=0.6)
print(jit.was_stored(registry.find("nearest_method:METHOD").frame))
print([ids(tracker, (0.9, 4.0 * k), (0.8, 400 - 3.0 * k), (0.3, 900)) for k in range(40)][-1])
"""
    cache = tmp_path / "cache"
    first, second = _python(code, place, cache), _python(code, place, cache)
    assert first.split("\n")[:2] == ["False", "{1, 2}"]
    assert second.split("\n")[:2] == ["True", "{1, 2}"]
    source.write_text(source.read_text("utf-8").replace("math.hypot(", "1e9 + math.hypot("), "utf-8")
    third = _python(code, place, cache).split("\n")
    assert third[0] == "False"
    assert third[1] != "{1, 2}"  # the change is in a kernel that the cached code holds, and counts


def test_the_example_follows_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    tracker = Tracker("nearest_method:METHOD")
    counts = [len(tracker.update(frame)) for frame in crowd(20, 60)]
    assert 5 < np.mean(counts[10:]) <= 20
    assert tracker.method == "nearest"
    assert len(tracker.predict(3.0)) == counts[-1]
    with pytest.raises(UsageError, match="did you mean 'reach'"):
        Tracker("nearest_method:METHOD", reech=1)
    assert ids(Tracker(registry.find("nearest_method:METHOD")), (0.9,)) == {1}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("nowhere:METHOD", None, "cannot import 'nowhere': ModuleNotFoundError"),
        ("broken:METHOD", "1 +", "cannot import 'broken': SyntaxError"),
        ("broken:METHOD", "1 / 0", "cannot import 'broken': ZeroDivisionError"),
        ("broken:METHOD", "", "found nothing of that name"),
        ("broken:METHOD", "METHOD = 3", "found a int"),
        (":METHOD", None, "cannot import ''"),
        ("bytetrak", None, "did you mean 'bytetrack'"),
    ],
)
def test_a_wrong_method_is_one_sentence(
    name: str, content: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "broken.py").write_text(content, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    with pytest.raises(UsageError, match=told) as raised:
        Tracker(name)
    sys.modules.pop("broken", None)
    assert "\n" not in str(raised.value)


@kernel
def _odd(work: Any, frames: float, similarity: None, inputs: None) -> int:
    return work.table[0]["no such field"] + 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"high": "highest"}, "high: expected the name of a parameter, found 'highest'"),
        ({"appearance_iou": "iou"}, "appearance_iou: expected the name of a parameter"),
        ({"parameters": int}, "expected a dataclass with a `track_buffer`"),
        ({"shown_id": "name"}, "its tracks have no field 'name'"),
        ({"step": len}, "expected a function that edge.kernels.jit.kernel decorates"),
        ({"step": _odd}, "its step does not compile"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        _ = dataclasses.replace(registry.find("bytetrack"), name="mine", **change).frame


def test_a_preset_belongs_into_its_own_argument() -> None:
    with pytest.raises(UsageError, match=r"expected the name alone; .* --preset reference .*preset='reference'"):
        registry.find("bytetrack:reference")
    with pytest.raises(UsageError, match=r"expected a name or an edge\.track\.method\.Method, found None"):
        Tracker(None)  # type: ignore[arg-type]
