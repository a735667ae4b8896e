"""Writes model packs: whole or not at all, and the same bytes for the same input."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__
from edge.detect.pictures import built_in
from edge.errors import OutputError, UsageError
from edge.modelpack import MANIFEST, SCHEMA, Detector, FileEntry, Manifest, Reid, Variant
from export import golden
from export.networks import Description, Network

if TYPE_CHECKING:
    from calibration.outcome import Calibration

GOLDEN_SEED = 1
# The float16 variants are judged by these: they hold the same numbers.
GOLDEN_VARIANTS = ("fp32", "int8", "qdq")


def write(
    target: Path,
    detector: Network[Detector],
    reid: Network[Reid] | None = None,
    *,
    licence: str | None = None,
    calibration: "Calibration | None" = None,
    force: bool = False,
) -> None:
    """Write a pack with fp32 variants, those of `calibration`, and golden outputs to folder `target`, whose name is
    the pack's.

    An existing pack is replaced only with `force`, anything else that exists never. Raises UsageError then, OutputError
    where the disk refuses; whatever happens, no half pack is left behind.
    """
    target = Path(os.path.abspath(target))
    with replacing(target, force=force) as folder:
        arrays: golden.Arrays = {}
        manifest = Manifest(
            schema=SCHEMA,
            name=target.name.removesuffix(".pack"),
            tool=f"nanotrack-edge {__version__}",
            detector=_written(folder, "detector", detector, licence, calibration, arrays),
            reid=_written(folder, "reid", reid, licence, calibration, arrays) if reid else None,
            calibration=_file(folder, "calibration.json", _json(calibration.calibration())) if calibration else None,
            accuracy=_file(folder, "accuracy.json", _json(calibration.accuracy())) if calibration else None,
        )
        manifest = replace(manifest, golden=_file(folder, "golden.npz", golden.packed(arrays)))
        (folder / MANIFEST).write_bytes(_json(asdict(manifest)))


def _written(
    folder: Path,
    name: str,
    network: Network[Description],
    licence: str | None,
    calibration: "Calibration | None",
    arrays: golden.Arrays,
) -> Description:
    """The full description of a network whose files are now in `folder`; its golden arrays are added to `arrays`."""
    entry = _file(folder, f"{name}.fp32.onnx", network.content)
    variants = {"fp32": Variant(entry.file, entry.sha256, network.opset)}
    for made in calibration.outcomes[name].variants if calibration else ():
        entry = _file(folder, f"{name}.{made.name}.onnx", made.content)
        variants[made.name] = Variant(entry.file, entry.sha256, made.opset, made.passed)
    wanted = network.description.input
    rows = network.batch or golden.BATCH[name]
    pictures = [built_in(wanted.width, wanted.height, GOLDEN_SEED + i) for i in range(rows)]
    arrays[f"{name}.input"] = golden.feed(wanted, pictures)
    constants = network.description.constants if isinstance(network.description, Detector) else {}
    for variant in [name for name in GOLDEN_VARIANTS if name in variants]:
        found = golden.outputs(folder / variants[variant].file, arrays[f"{name}.input"], constants)
        for output, array in found.items():
            arrays[f"{name}.{variant}.{output}"] = array
    return replace(
        network.description,
        source=replace(network.description.source, licence=licence),
        variants=variants,
    )


@contextmanager
def replacing(target: Path, *, force: bool) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when the block ends well, and is gone when it does not."""
    check_free(target, force)
    folder = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        folder.chmod(0o777 & ~_umask())
        yield folder
        if target.exists():
            old = folder.with_name(f"{folder.name}.old")
            target.rename(old)
            try:
                folder.rename(target)
            except OSError:
                old.rename(target)
                raise
            shutil.rmtree(old)
        else:
            folder.rename(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}); choose another -o") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def check_free(target: Path, force: bool) -> None:
    """Raise UsageError where `target` is in the way of a new pack."""
    if not target.exists():
        return
    if not (target / MANIFEST).is_file() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target}: exists and is no model pack, so it is not replaced; choose another -o")
    if not force and (target / MANIFEST).is_file():
        raise UsageError(f"{target}: exists; --force replaces it")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _file(folder: Path, name: str, content: bytes) -> FileEntry:
    (folder / name).write_bytes(content)
    return FileEntry(name, sha256(content).hexdigest())
