"""Every name of TensorRT that the code touches exists in the real bindings of every version that we claim."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.infer import child
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt import available, builder, measure, session
from edge.infer.tensorrt.available import verdict
from edge.infer.tensorrt.versions import STRONGLY_TYPED, generation
from tests.infer.surface import unfollowed, uses
from tests.infer.wheels import BINDINGS, add_empty_libraries, environment, importable_as_tensorrt, unpacked

pytestmark = [pytest.mark.slow, pytest.mark.wheels]

FILES = [Path(str(module.__file__)) for module in (available, builder, measure, session)]
ROOT = Path(__file__).parents[2]

DESCRIBE = """
import inspect, json, tensorrt
surface = {"trt": dir(tensorrt)}
def add(name, kind):
    surface[name] = dir(kind)
    for inner, value in inspect.getmembers(kind, inspect.isclass):
        if not inner.startswith("_"):
            surface[f"{name}.{inner}"] = dir(value)
for name, value in inspect.getmembers(tensorrt, inspect.isclass):
    add(name, value)
refusals = []
for make in (tensorrt.Builder, tensorrt.Runtime):
    try:
        make(tensorrt.Logger())
    except TypeError as error:
        refusals.append(str(error))
print(json.dumps({"version": tensorrt.__version__, "surface": surface, "refusals": refusals}))
"""


@pytest.fixture(scope="module", params=BINDINGS)
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which `import tensorrt` gives NVIDIA's bindings of one version, with empty libraries."""
    folder = unpacked(tmp_path_factory.mktemp("bindings"), BINDINGS[request.param])
    add_empty_libraries(folder)
    importable_as_tensorrt(folder, "tensorrt_bindings")
    return folder


@pytest.fixture(scope="module")
def described(bindings: Path) -> dict[str, Any]:
    """What that version offers."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE], env=environment(bindings), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_every_name_that_the_code_touches_exists(described: dict[str, Any]) -> None:
    surface = described["surface"]
    touched = [(use, f"{path.name}:{line}") for path in FILES for use, line in uses(path)]
    assert len(touched) > 50
    missing = [(where, *use) for use, where in touched if use[1] not in surface.get(use[0], ())]
    assert missing == [], described["version"]


def test_nothing_was_overlooked(described: dict[str, Any]) -> None:
    assert [text for path in FILES for text in unfollowed(path, described["surface"])] == []


def test_names_that_differ_by_version_exist_where_the_table_says(described: dict[str, Any]) -> None:
    rules, surface = generation(described["version"]), described["surface"]
    assert rules.network_flag in surface["NetworkDefinitionCreationFlag"]
    assert rules.memory_attribute in surface["ICudaEngine"]
    for flag in (f for flags in rules.builder_flags.values() for f in flags):
        assert flag in surface["BuilderFlag"]


def test_the_table_is_needed(described: dict[str, Any]) -> None:
    """What one family uses is really absent from the other's newest or oldest version."""
    if described["version"].startswith("8."):
        assert STRONGLY_TYPED.network_flag not in described["surface"]["NetworkDefinitionCreationFlag"]
        assert STRONGLY_TYPED.memory_attribute not in described["surface"]["ICudaEngine"]
    if described["version"].startswith("11."):
        assert not {"FP16", "INT8"} & set(described["surface"]["BuilderFlag"])
        assert "EXPLICIT_BATCH" not in described["surface"]["NetworkDefinitionCreationFlag"]
        assert "device_memory_size" not in described["surface"]["ICudaEngine"]


def test_a_null_builder_is_the_type_error_that_the_probe_expects(described: dict[str, Any]) -> None:
    assert described["refusals"] == ["pybind11::init(): factory function returned nullptr"] * 2


def test_our_logger_is_one_of_theirs_and_keeps_errors_only(bindings: Path) -> None:
    program = (
        "import tensorrt as trt\n"
        "from edge.infer.tensorrt.session import Log\n"
        "log = Log()\n"
        "of = trt.ILogger.Severity\n"
        "for level in (of.INFO, of.WARNING, of.ERROR, of.INTERNAL_ERROR): log.sink.log(level, str(level))\n"
        "assert isinstance(log.sink, trt.ILogger)\n"
        "print(len(log.errors), log.last_error(''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(bindings, ROOT), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("INTERNAL_ERROR")
    assert done.stdout.startswith("2 ")


def test_the_probe_meets_the_null_builder_of_the_real_bindings(
    bindings: Path, host_cuda: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(bindings)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{host_cuda}:{bindings}")
    outcome = child.call("edge.infer.tensorrt.available:examine", None, timeout_s=60)
    with pytest.raises(RungError) as caught:
        verdict(outcome)
    assert caught.value.reason is Reason.TENSORRT_BROKEN
    assert caught.value.detail == "Builder: pybind11::init(): factory function returned nullptr"


def test_the_probe_meets_the_missing_library_of_the_real_bindings(
    bindings: Path, host_cuda: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(bindings)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(host_cuda))
    outcome = child.call("edge.infer.tensorrt.available:examine", None, timeout_s=60)
    with pytest.raises(RungError, match=r"libnv\w+\.so\.\d+: cannot open shared object file") as caught:
        verdict(outcome)
    assert caught.value.reason is Reason.NO_TENSORRT
