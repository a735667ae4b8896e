"""What a checkpoint holds, read without PyTorch and without executing anything: `torch.save`'s formats, safetensors."""

import json
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy.typing as npt

from edge.errors import DataError, NotFoundError
from edge.files import open_file
from export import safetensors, torchsave
from export.unpickle import RefusedError, Tensor

Tensors = dict[str, npt.NDArray[Any]]

SUFFIXES = ".pth, .pt, .ckpt or .safetensors"

# Where published checkpoints keep their tensors. The running average of the weights comes first: it is what its authors
# evaluate and release.
_HOMES = (
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "state_dict",
    "model",
    "model_state_dict",
    "module",
    "net",
    "weights",
)
_DEEPEST_HOME = 4
# Prefixes that wrappers put before the names; what stands beside a running average is what it was taken of.
_AVERAGES = ("avg_model.", "ema_model.", "model_ema.", "ema.")
_WRAPPERS = ("_orig_mod.", "model.", "module.", "net.", "network.")
_MOST_PREFIXES = 8

_BROKEN = (
    pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError,
    OverflowError, MemoryError, RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile, zlib.error,
    json.JSONDecodeError,
)  # fmt: skip


class Meta(NamedTuple):
    """What a checkpoint says of its network under `meta`, as ours do; None where it says nothing.

    `input_size` is width and height, `class_names` are the detector's in order.
    """

    input_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None


class Checkpoint(NamedTuple):
    """The network's tensors by name, wrappers' prefixes removed: own, contiguous arrays; and what is said of it."""

    tensors: Tensors
    meta: Meta


def read(path: Path) -> Checkpoint:
    """What `path` holds. bfloat16 becomes float32, everything else keeps its dtype.

    Memory stays within a few times the size of the file, whatever the file says.
    Raises NotFoundError where there is no file, DataError where it is no checkpoint, is truncated, or would run code.
    """
    try:
        file = open_file(path)
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        try:
            return _read(path, file, os.fstat(file.fileno()).st_size)
        except torchsave.ForeignError as error:
            raise DataError(f"{path}: {error}") from None
        except RefusedError as error:
            raise DataError(
                f"{path}: its pickle wants {error}, which is not needed to hold tensors and could run code: refused;"
                " save model.state_dict() alone with torch.save"
            ) from None
        except _BROKEN as error:
            detail = str(error)[:200] or type(error).__name__
            raise DataError(f"{path}: a checkpoint that is truncated or damaged ({detail}); copy it again") from error


def _read(path: Path, file: IO[bytes], size: int) -> Checkpoint:
    if path.suffix == ".safetensors":
        return Checkpoint(_unwrapped(safetensors.read(file, size)), Meta())
    content, data = (torchsave.archive if torchsave.is_archive(file) else torchsave.stream)(file, size)
    tensors = _unwrapped(_state(content))
    if not tensors:
        raise DataError(
            f"{path}: expected named tensors at the top or under {', '.join(_HOMES)}, found {_outline(content)};"
            " save the model's state_dict"
        )
    return Checkpoint(torchsave.arrays(tensors, data, size), _meta(path, content))


def _state(content: object, depth: int = 0) -> dict[str, Tensor]:
    """The tensors by name in the first of `_HOMES` that has any, or else in `content` itself."""
    if not isinstance(content, dict) or depth > _DEEPEST_HOME:
        return {}
    for home in _HOMES:
        if found := _state(content.get(home), depth + 1):
            return found
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _unwrapped(tensors: dict[str, Any]) -> dict[str, Any]:
    """Without the prefixes of wrappers, the running average alone where there is one."""
    for _ in range(_MOST_PREFIXES):
        for prefix in (*_AVERAGES, *_WRAPPERS):
            inner = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if inner:
                tensors = inner
                break
        else:
            break
    return tensors


def _meta(path: Path, content: object) -> Meta:
    """Strict where our own keys are present; what other tools keep under `meta` is theirs."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return Meta()
    size, names = meta.get("input_size"), meta.get("class_names")
    if size is not None and not (_is_row(size, int) and len(size) == 2 and min(size) > 0):
        raise DataError(f"{path}: meta.input_size: expected width and height in pixels; save it again")
    if names is not None and not (_is_row(names, str) and len(names)):
        raise DataError(f"{path}: meta.class_names: expected a list of names; save it again")
    return Meta(size and tuple(size), names and tuple(names))


def _is_row(value: object, kind: type) -> bool:
    return isinstance(value, (list, tuple)) and all(type(item) is kind for item in value)


def _outline(content: object) -> str:
    if isinstance(content, dict):
        keys = sorted(map(str, content))
        return f"a mapping with {', '.join(keys[:8])}{', …' if len(keys) > 8 else ''}" if keys else "an empty mapping"
    return f"a {type(content).__name__}"
