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

from edge import __version__
from edge.errors import OutputError, UsageError
from edge.modelpack import MANIFEST, SCHEMA, Detector, FileEntry, Manifest, Reid, Variant
from export import golden
from export.networks import Description, Network

GOLDEN_SEED = 1


def write(
    target: Path,
    detector: Network[Detector],
    reid: Network[Reid] | None = None,
    *,
    licence: str | None = None,
    force: bool = False,
) -> None:
    """Write a pack with fp32 variants and their golden outputs to folder `target`; its name is the pack's.

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
            detector=_written(folder, "detector", detector, licence, arrays),
            reid=_written(folder, "reid", reid, licence, arrays) if reid else None,
        )
        manifest = replace(manifest, golden=_file(folder, "golden.npz", golden.packed(arrays)))
        text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", "utf-8")


def _written(
    folder: Path, name: str, network: Network[Description], licence: str | None, arrays: golden.Arrays
) -> Description:
    """The full description of a network whose file is now in `folder`; its golden arrays are added to `arrays`."""
    entry = _file(folder, f"{name}.fp32.onnx", network.content)
    wanted = network.description.input
    pictures = [golden.picture(wanted.width, wanted.height, GOLDEN_SEED + i) for i in range(golden.BATCH[name])]
    arrays[f"{name}.input"] = golden.feed(wanted, pictures)
    for output, array in golden.outputs(folder / entry.file, arrays[f"{name}.input"]).items():
        arrays[f"{name}.fp32.{output}"] = array
    return replace(
        network.description,
        source=replace(network.description.source, licence=licence),
        variants={"fp32": Variant(entry.file, entry.sha256, network.opset)},
    )


@contextmanager
def replacing(target: Path, *, force: bool) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when the block ends well, and is gone when it does not."""
    _check_free(target, force)
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


def _check_free(target: Path, force: bool) -> None:
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


def _file(folder: Path, name: str, content: bytes) -> FileEntry:
    (folder / name).write_bytes(content)
    return FileEntry(name, sha256(content).hexdigest())
