"""What a benchmark folder holds: its sequences, and where each one's ground truth, detections and images lie.

The layout is MOTChallenge's, with or without the folder of the split:

    DATA/[train|val/]SEQUENCE/gt/gt.txt       ground truth
    DATA/[train|val/]SEQUENCE/seqinfo.ini     frame rate and length
    DATA/[train|val/]SEQUENCE/det/det.txt     public detections, optional
    DATA/[train|val/]SEQUENCE/img1/000001.jpg images, optional
"""

import zlib
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import NotFoundError, UsageError
from edge.motchallenge import SequenceInfo, read_seqinfo
from edge.types import Int64s

# The benchmarks of MOTChallenge layout, and the split of each that comes with ground truth for validation.
BENCHMARKS = {"MOT15": "train", "MOT16": "train", "MOT17": "train", "MOT20": "train", "DanceTrack": "val"}
SPLITS = ("train", "val", "val-half")  # others are folders of such a name
TEST_SPLIT = "test"  # the one whose ground truth only the benchmark's server has

# MOT17 has every sequence three times, once for each public detector; files made from its images have the bare name.
PUBLIC_DETECTORS = ("-DPM", "-FRCNN", "-SDP")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence: `frames` int64 `[K]` are the numbers of the frames to run, ascending, out of `info.frame_count`.

    Scores count the frames to run only. `detections` is a text file, `images` a folder; either may be None. `every`:
    of the sequence's own frames only every such one is in `frames`.
    """

    name: str
    info: SequenceInfo
    frames: Int64s
    ground_truth: Path
    detections: Path | None
    images: Path | None
    every: int = 1

    @property
    def frame_rate(self) -> float:
        """Frames a second of what is run."""
        return self.info.frame_rate / self.every

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """When each of `frames` was taken, seconds from the sequence's first frame."""
        return (self.frames - 1) / self.info.frame_rate

    def images_by_frame(self) -> dict[int, Path]:
        """The images of those `frames` that have one, known by the number in the name. Raises NotFoundError if none."""
        found = list(self.images.glob(f"*{self.info.image_suffix}")) if self.images else []
        by_number = {int(path.stem): path for path in found if path.stem.isdecimal()}
        images = {number: by_number[number] for number in self.frames.tolist() if number in by_number}
        if not images:
            raise NotFoundError(
                f"{self.ground_truth.parent.parent}: expected images of frames {self.frames[0]} to {self.frames[-1]}"
                f" as {self.info.image_folder}/{self.frames[0]:06d}{self.info.image_suffix} to run a model, found none"
            )
        return images

    def thinned(self, every: int) -> "Sequence":
        """The sequence as a camera with `every`-th of its frame rate sees it: only every such frame, from the first."""
        return replace(self, frames=self.frames[::every], every=self.every * every)

    def dropping(self, fraction: float, seed: int) -> "Sequence":
        """The sequence without a random `fraction` of its frames after the first; `seed` and the name decide which."""
        random = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        kept = random.random(len(self.frames)) >= fraction
        kept[0] = True
        return replace(self, frames=self.frames[kept])


def find_sequences(
    data: Path,
    benchmark: str,
    split: str | None = None,
    detections: Path | None = None,
    pattern: str = "*",
    *,
    labelled: bool = True,
) -> list[Sequence]:
    """The sequences under `data` whose names match `pattern`, by name; `split` None: the benchmark's labelled one.

    With `labelled` False ground truth is not needed: then any folder with a seqinfo.ini counts, `split` None is "test",
    and the `ground_truth` of a sequence may not exist.

    A split is a folder of `data`, for `SPLITS` also `data` itself; `val-half` is the second half of each training
    sequence, cut as ByteTrack cuts it: frames from N // 2 + 2 on.
    Detections come from `detections`/SEQUENCE.txt, .txt.gz or SEQUENCE/det/det.txt, else from the sequence's own
    det/det.txt. Raises NotFoundError, DataError.
    """
    if benchmark not in BENCHMARKS:
        raise UsageError(f"benchmark: expected {' or '.join(BENCHMARKS)}, found {benchmark!r}")
    half = split == "val-half"
    folder = data / ("train" if half else split or (BENCHMARKS[benchmark] if labelled else TEST_SPLIT))
    if split is not None and split not in SPLITS and not folder.is_dir():
        raise NotFoundError(f"{folder}: expected the folder of split {split!r}, found none; or {', '.join(SPLITS)}")
    if not data.is_dir():
        raise NotFoundError(
            f"{data}: expected a folder with a benchmark, found {'a file' if data.exists() else 'none'}"
        )
    root = folder if folder.is_dir() else data
    found = sorted(path.parents[1] for path in root.glob("*/gt/gt.txt"))
    if not labelled:
        found = sorted(path.parent for path in root.glob("*/seqinfo.ini"))
    folders = [path for path in found if fnmatch(path.name, pattern)]
    if not folders:
        wanted = f"{pattern}/gt/gt.txt beside {pattern}/seqinfo.ini" if labelled else f"{pattern}/seqinfo.ini"
        raise NotFoundError(f"{root}: expected folders {wanted}, found none")
    return [_sequence(path, half, detections) for path in folders]


def _sequence(folder: Path, half: bool, detections: Path | None) -> Sequence:
    info = read_seqinfo(folder / "seqinfo.ini")
    first = info.frame_count // 2 + 2 if half else 1
    images = folder / info.image_folder
    own = folder / "det" / "det.txt"
    return Sequence(
        folder.name,
        info,
        np.arange(first, info.frame_count + 1),
        folder / "gt" / "gt.txt",
        find_text(detections, folder.name) if detections else own if own.is_file() else None,
        images if images.is_dir() else None,
    )


def find_text(folder: Path, name: str) -> Path:
    """The file of sequence `name` under `folder`; the suffix of a public detector may be left out. Or NotFoundError."""
    bare = next((name.removesuffix(d) for d in PUBLIC_DETECTORS if name.endswith(d)), name)
    for stem in dict.fromkeys((name, bare)):
        for path in (folder / f"{stem}.txt", folder / f"{stem}.txt.gz", folder / stem / "det" / "det.txt"):
            if path.is_file():
                return path
    raise NotFoundError(f"{folder}: expected {name}.txt, {name}.txt.gz or {name}/det/det.txt, found none of them")
