"""The model pack: a folder that carries networks, and all that must be known to run them, from workstation to board.

`pack.json` is its manifest; the dataclasses below are its schema, version 1. Reading is strict: an unknown version or
key, a missing file or a wrong hash is one `DataError` that names the file and the remedy. Nothing in a pack is ever
unpickled or executed. A manifest holds no time of creation: the same input gives the same pack, byte for byte.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.errors import DataError, NotFoundError, UsageError
from edge.files import open_file, read_file
from edge.schema import bounds, build, within

SCHEMA = 1
MANIFEST = "pack.json"

# In the order in which a board prefers them is the business of `edge.infer`; here only the names are fixed.
VariantKind = Literal["fp32", "int8", "int8_arm", "qdq", "fp16", "qdq_fp16"]
Layout = Literal["nhwc-uint8", "nchw-float32", "nchw-float16"]
Resize = Literal["squash", "letterbox", "letterbox-rounded", "letterbox-centre", "centre"]
Colour = Literal["bgr", "rgb"]
BoxForm = Literal["distributions", "grid", "cxcywh", "xyxy", "cxcywh-share", "yxyx-share"]
JOINT = "centernet-joint"
# Outputs of an exported joint network, K peaks, best first; the last is the heat map for `--show-debug`.
JOINT_OUTPUTS = ("scores", "classes", "peaks", "edges", "offsets", "embeddings", "heatmap")

# What a manifest may hold. A larger number is no network that a board runs but a mistake or an attack: it is refused
# before anything of that size is allocated and before compiled code, which checks no bounds, is entered with it.
LARGEST_SIDE_PX = 4096
MOST_CLASSES = 10_000
MOST_MANIFEST_BYTES = 4 << 20
MOST_OUTPUTS = 64
LARGEST_STRIDE_PX = 1024
LARGEST_REG_MAX = 255


@dataclass(frozen=True)
class FileEntry:
    """A file of the pack: `file` is its name inside the folder, `sha256` its hash in hex."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        long = len(self.file.encode("utf-8", "surrogatepass")) > 255  # the most that file systems take
        if Path(self.file).name != self.file or self.file == ".." or long:
            raise ValueError(f"file {self.file[:60]!r} must be a plain name inside the pack")


@dataclass(frozen=True)
class Variant(FileEntry):
    """One variant of a network as ONNX. `passed` is the accuracy gate's verdict; one that failed is never automatic."""

    opset: int
    passed: bool = True


@dataclass(frozen=True)
class Source:
    """Where a network came from: `file` name and `sha256` of the checkpoint, the architecture that was recognised."""

    file: str
    sha256: str
    architecture: str
    licence: str | None = None


@dataclass(frozen=True)
class ImageInput:
    """What a network's image input wants.

    `layout` is `nhwc-uint8` (raw pixels, normalised inside the graph) or `nchw-float32` or `-float16` ((pixel - mean) /
    std, made by the caller). `mean` and `std` are in 0..255 pixel values and in the order of `colour`; with
    `nhwc-uint8` they are information.
    `resize`: `squash` ignores the aspect ratio. `letterbox` keeps it, puts the picture into the upper left corner and
    fills the rest with `pad`; `letterbox-rounded` too, with sides rounded to the nearest pixel and not cut down;
    `letterbox-centre` puts it in the middle. `centre` makes the longer side of the picture as long as the input is
    wide, whatever the input's height, and puts its middle in the middle (joint networks).
    """

    name: str
    width: int = field(metadata=bounds(1, LARGEST_SIDE_PX))
    height: int = field(metadata=bounds(1, LARGEST_SIDE_PX))
    layout: Layout
    colour: Colour
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Resize = "squash"
    pad: int = within(0, 255, 0)

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.mean)):
            raise ValueError(f"mean must be finite, found {self.mean}")
        if not all(math.isfinite(value) and value > 0 for value in self.std):
            raise ValueError(f"std must be positive and finite, found {self.std}")


@dataclass(frozen=True)
class Head:
    """How a detector's outputs are laid out. `type` is the name of its family, see `edge.detect.families.registry`.

    `outputs` are tensor names in the order that the family wants. `strides` are those of its levels of cells, cells row
    by row, levels in this order. `scores` says whether classes are `probabilities` or `logits` that still want a
    sigmoid. `boxes` are `distributions` of the distances to the four sides over 0..`reg_max` strides, `grid` (offset
    from the cell and logarithm of the size, in strides), `cxcywh` or `xyxy` in pixels of the input, or shares of it:
    `cxcywh-share`, `yxyx-share`. `upright` outputs `[1, W, N]` have a column for each box. The prior of a cell is
    `(index + cell_offset) * stride`.
    """

    type: str
    outputs: tuple[str, ...]
    strides: tuple[int, ...] = ()
    reg_max: int = within(0, LARGEST_REG_MAX, 0)
    cell_offset: float = within(0, 1, 0.0)
    scores: Literal["probabilities", "logits"] = "probabilities"
    boxes: BoxForm = "distributions"
    upright: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.outputs) <= MOST_OUTPUTS:
            raise ValueError(f"outputs: expected 1 to {MOST_OUTPUTS} names, found {len(self.outputs)}")
        if len(self.strides) > MOST_OUTPUTS or not all(1 <= stride <= LARGEST_STRIDE_PX for stride in self.strides):
            raise ValueError(f"strides: expected numbers from 1 to {LARGEST_STRIDE_PX}, found {list(self.strides[:8])}")
        if (
            self.boxes == "distributions"
            and self.type != JOINT
            and len(self.outputs) not in (1, 2, 2 * len(self.strides))
        ):
            raise ValueError(f"{len(self.outputs)} outputs: expected 1, 2 or {2 * len(self.strides)}")


@dataclass(frozen=True)
class Detector:
    """The detector of a pack. `score_floor` and `nms_iou` are the thresholds to start from; an `nms_iou` of 1 is none.

    `constants` are the values of inputs besides the picture that are the same in every frame, by the input's name.
    """

    source: Source
    input: ImageInput
    head: Head
    classes: tuple[str, ...]
    variants: dict[str, Variant]
    score_floor: float = within(0, 1, 0.1)
    nms_iou: float = within(0, 1, 0.6)
    constants: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= MOST_CLASSES:
            raise ValueError(f"classes: expected 1 to {MOST_CLASSES} names, found {len(self.classes)}")
        if not all(math.isfinite(value) for values in self.constants.values() for value in values):
            raise ValueError(f"constants: expected finite numbers, found {self.constants}")

    @property
    def is_joint(self) -> bool:
        """Whether it compares each frame with the one before, and gives offsets and embeddings as well."""
        return self.head.type == JOINT


@dataclass(frozen=True)
class Reid:
    """The appearance network of a pack: crops in, `[N, embedding]` vectors out that are not yet of unit length.

    `logit_scale` multiplies unit vectors before a softmax over identities (QDTrack).
    """

    source: Source
    input: ImageInput
    output: str
    embedding: int = field(metadata=bounds(1, 65_536))
    variants: dict[str, Variant]
    logit_scale: float = within(0, 1000, 14.0)


@dataclass(frozen=True)
class Manifest:
    """The contents of `pack.json`."""

    schema: int
    name: str
    tool: str
    detector: Detector
    reid: Reid | None = None
    golden: FileEntry | None = None
    calibration: FileEntry | None = None
    accuracy: FileEntry | None = None


@dataclass(frozen=True)
class ModelPack:
    """A pack on disk whose manifest was read and whose files were verified."""

    folder: Path
    manifest: Manifest = field(repr=False)

    @property
    def detector(self) -> Detector:
        """The detector's description."""
        return self.manifest.detector

    @property
    def reid(self) -> Reid | None:
        """The appearance network's description, None where the pack has none."""
        return self.manifest.reid

    def path(self, entry: FileEntry) -> Path:
        """Where a file of the pack lies."""
        return self.folder / entry.file


_CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".tar")


def refuse_checkpoint(path: Path, flag: str) -> None:
    """Raise UsageError for a file with PyTorch's weights in place of a network; `flag` is that of the exporter."""
    if path.suffix.lower() in _CHECKPOINTS:
        more = "" if flag == "--detector" else " --detector DETECTOR"
        raise UsageError(
            f"{path}: a checkpoint, which holds weights and no network; make a pack of it on a workstation: run"
            f" nanotrack-export pack{more} {flag} {path} -o {path.stem}.pack"
        )


def files_of(manifest: Manifest) -> list[FileEntry]:
    """Every file that the manifest names, networks first."""
    entries: list[FileEntry] = list(manifest.detector.variants.values())
    if manifest.reid is not None:
        entries += manifest.reid.variants.values()
    entries += [e for e in (manifest.golden, manifest.calibration, manifest.accuracy) if e is not None]
    return entries


def read(folder: Path | str) -> ModelPack:
    """The pack in `folder`, every file present and its hash checked.

    Raises NotFoundError where there is no pack, DataError with all mistakes where it is not as its manifest says.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    mistakes = []
    for entry in files_of(manifest):
        try:
            found = sha256_of(folder / entry.file)
        except OSError as error:
            mistakes.append(f"{entry.file}: cannot be read ({error.strerror})")
            continue
        if found != entry.sha256:
            mistakes.append(
                f"{entry.file}: changed since the export (sha256 {found[:12]}…, manifest {entry.sha256[:12]}…)"
            )
    if mistakes:
        raise DataError(f"{folder}: {'; '.join(mistakes)}; copy the pack again or export it again")
    return ModelPack(folder, manifest)


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        data = json.loads(read_file(path, MOST_MANIFEST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise NotFoundError(
            f"{folder}: expected a model pack (a folder with {MANIFEST}), found none; nanotrack-export pack makes one"
        ) from None
    except NotADirectoryError:
        raise NotFoundError(
            f"{folder}: a file; expected a model pack, which is a folder; of a detector in an ONNX file make one: run"
            f" nanotrack-export pack --detector {folder} -o {folder.stem}.pack"
        ) from None
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); copy the pack again or export it again") from error
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise DataError(
            f"{path}: schema version {version!r}, this release reads {SCHEMA}; export the pack again with this release"
        )
    manifest, mistakes = build(Manifest, data)
    if manifest is None:
        raise DataError(f"{path}: {'; '.join(mistakes)}; export the pack again")
    return manifest


def sha256_of(path: Path) -> str:
    """The hex sha256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
