"""NanoDet's training configuration (`nanodet.yml`): what weights do not tell of their network.

Activations and how pictures are prepared leave no trace in a checkpoint. Written from the layout of the configurations
that RangiLyu/nanodet publishes, and from the defaults of its modules where a configuration leaves a key out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.files import read_file
from edge.modelpack import Resize
from export.layers import ACTIVATIONS, LEAKY

Triple = tuple[float, float, float]
T = TypeVar("T")

_MOST_BYTES = 1 << 20  # the published ones have 3 KB


@dataclass(frozen=True)
class Activations:
    """The activation of each part, one of `export.layers.ACTIVATIONS`; published networks on ShuffleNetV2 use LeakyReLU
    in all."""

    backbone: str = LEAKY
    pyramid: str = LEAKY
    head: str = LEAKY


@dataclass(frozen=True)
class Config:
    """What a network was built of and trained on; None where nothing is said.

    `mean_bgr` and `std_bgr` are in pixel values of 0..255. `keep_ratio`: pictures keep their aspect ratio, in the
    middle of the input. `input_size` is width and height.
    """

    activations: Activations | None = None
    mean_bgr: Triple | None = None
    std_bgr: Triple | None = None
    keep_ratio: bool | None = None
    input_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None


NOTHING_SAID = Config()
KEEPING_RATIO: Resize = "letterbox-centre"


def read(path: Path) -> Config:
    """The configuration in `path`.

    Raises NotFoundError where there is no file, DataError where it is no YAML or says what cannot be, UnavailableError
    without PyYAML.
    """
    try:
        import yaml
    except ImportError:
        raise UnavailableError(
            "--config needs PyYAML, which is not installed; install the extra: python -m pip install '.[export]'"
        ) from None
    try:
        said = yaml.safe_load(read_file(path, _MOST_BYTES))
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: no YAML ({first}); expected a training configuration of NanoDet") from error
    return _config(_Reader(path, said))


class _Reader:
    """Nested mappings, asked by paths such as `model.arch.head`."""

    def __init__(self, path: Path, said: object) -> None:
        self._path = path
        self._said = said

    def get(self, key: str) -> Any:
        """What stands at `key`, None where nothing does."""
        found = self._said
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def error(self, key: str, expected: str) -> DataError:
        return DataError(f"{self._path}: {key}: expected {expected}, found {str(self.get(key))[:60]!r}")

    def row(self, key: str, length: int) -> tuple[float, ...] | None:
        """Numbers at `key`, None without them."""
        found = self.get(key)
        if found is None:
            return None
        if not isinstance(found, list) or len(found) != length or not all(type(v) in (int, float) for v in found):
            raise self.error(key, f"{length} numbers")
        return tuple(found)


def _config(reader: _Reader) -> Config:
    if reader.get("model.arch") is None:
        raise reader.error("model.arch", "a training configuration of NanoDet")
    # The modules' own defaults, which differ.
    is_lite = reader.get("model.arch.backbone.name") == "EfficientNetLite"
    activations = Activations(
        _activation(reader, "model.arch.backbone.activation", "ReLU6" if is_lite else "ReLU"),
        _activation(reader, "model.arch.fpn.activation", LEAKY),
        _activation(reader, "model.arch.head.activation", LEAKY),
    )
    # What the network is evaluated with is what it shall see.
    keep_ratio = reader.get("data.val.keep_ratio")
    if keep_ratio not in (True, False, None):
        raise reader.error("data.val.keep_ratio", "true or false")
    size = reader.row("data.val.input_size", 2)
    mean, std = _normalisation(reader)
    return Config(activations, mean, std, keep_ratio, (int(size[0]), int(size[1])) if size else None, _names(reader))


def _activation(reader: _Reader, key: str, default: str) -> str:
    found = reader.get(key)
    name = default if found is None else str(found)
    if name not in ACTIVATIONS:
        raise reader.error(key, f"one of {', '.join(ACTIVATIONS)}")
    return name


def _normalisation(reader: _Reader) -> tuple[Triple, Triple] | tuple[None, None]:
    key = "data.val.pipeline.normalize"
    found = reader.get(key)
    if found is None:
        return None, None
    try:
        (a, b, c), (d, e, f) = (map(float, row) for row in found)
    except (TypeError, ValueError):
        raise reader.error(key, "three means and three standard deviations, in BGR order") from None
    if not (all(abs(v) < 1e4 for v in (a, b, c)) and all(1e-4 < v < 1e4 for v in (d, e, f))):
        raise reader.error(key, "means and positive standard deviations of pixels in 0..255")
    return (a, b, c), (d, e, f)


def _names(reader: _Reader) -> tuple[str, ...] | None:
    found = reader.get("class_names")
    if found is None:
        return None
    if not isinstance(found, list) or not found or not all(isinstance(name, (str, int)) for name in found):
        raise reader.error("class_names", "a list of names")
    return tuple(map(str, found))
