"""The engines kept on the board: what each was built for, and when one may be loaded.

An engine is executable code and fits exactly one TensorRT, driver, GPU and network. So a header beside it repeats all
of that in clear, and it is loaded only when every field agrees, its bytes have the hash that the header names, and
only this user or root could have written it. A difference is reported, and the engine is not tried.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.infer import storage
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.versions import Precision
from edge.schema import build

SCHEMA = 1

# What the builder is told, everywhere the same: the workspace is ample for networks of a few million weights, and 3 is
# TensorRT's own default for how long it searches.
WORKSPACE_BYTES = 256 << 20
OPTIMIZATION_LEVEL = 3


Verdict = Literal["kept", "slower", "golden_mismatch"]


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on; two equal keys may share an engine, any difference means another build."""

    onnx_sha256: str
    precision: Precision
    input_shapes: dict[str, tuple[int, ...]]
    tensorrt: str
    libraries: tuple[str, ...]
    cuda: str
    driver: str
    device: str
    sm: str
    sm_count: int
    builder_flags: tuple[str, ...]
    workspace_bytes: int = WORKSPACE_BYTES
    optimization_level: int = OPTIMIZATION_LEVEL
    schema: int = SCHEMA

    def digest(self) -> str:
        """The hex sha256 over all fields."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode("utf-8")).hexdigest()

    def differences(self, now: "EngineKey") -> list[str]:
        """The fields in which this key is not the one of `now`, each as "field: built for X, now Y"."""
        return [
            f"{field.name}: built for {getattr(self, field.name)}, now {getattr(now, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != getattr(now, field.name)
        ]

    @property
    def stem(self) -> str:
        """The name of the engine's files without suffix: what is asked for, so that a stale one is found and named."""
        shapes = "_".join("x".join(map(str, shape)) for shape in self.input_shapes.values())
        return f"{self.onnx_sha256[:16]}-{self.precision}-{shapes}"


@dataclass(frozen=True)
class Header:
    """The JSON beside an engine. `verdict` is what measuring on this board said about it, `detail` the figures."""

    key: EngineKey
    digest: str
    plan_sha256: str
    verdict: Verdict
    detail: str


_REJECTED = {"slower": Reason.SLOWER, "golden_mismatch": Reason.GOLDEN_MISMATCH}


def load(folder: Path, key: EngineKey) -> bytes:
    """The engine for `key`. Raises RungError: missing, stale (with the field), untrusted, or rejected when built."""
    header_path, plan_path = folder / f"{key.stem}.json", folder / f"{key.stem}.plan"
    if not header_path.exists():
        raise RungError(Reason.ENGINE_MISSING, f"no {header_path.name} in {folder}")
    storage.require_private(folder)
    header = _header(header_path)
    if different := header.key.differences(key):
        raise RungError(Reason.ENGINE_STALE, "; ".join(different))
    if header.verdict in _REJECTED:
        raise RungError(_REJECTED[header.verdict], header.detail)
    plan = storage.read_private(plan_path)
    if header.digest != key.digest() or hashlib.sha256(plan).hexdigest() != header.plan_sha256:
        raise RungError(Reason.ENGINE_STALE, f"{plan_path.name} is not the file that its header describes")
    return plan


def store(folder: Path, key: EngineKey, plan: bytes, verdict: Verdict = "kept", detail: str = "") -> Path:
    """Write engine and header, each atomically, the header last; the path of the engine. Raises OutputError.

    Of an engine that was not kept only the header stays, as the reason why this precision is not used.
    """
    plan_path = folder / f"{key.stem}.plan"
    header = {
        "key": dataclasses.asdict(key),
        "digest": key.digest(),
        "plan_sha256": hashlib.sha256(plan).hexdigest(),
        "verdict": verdict,
        "detail": detail,
    }
    if verdict == "kept":
        storage.write(plan_path, plan)
    else:
        plan_path.unlink(missing_ok=True)
    storage.write(folder / f"{key.stem}.json", json.dumps(header, indent=2).encode("utf-8"))
    return plan_path


def _header(path: Path) -> Header:
    try:
        data = json.loads(storage.read_private(path))
    except ValueError as error:
        raise RungError(Reason.ENGINE_STALE, f"{path.name}: {error}") from error
    header, mistakes = build(Header, data)
    if header is None:
        raise RungError(Reason.ENGINE_STALE, f"{path.name}: {'; '.join(mistakes)}")
    return header
