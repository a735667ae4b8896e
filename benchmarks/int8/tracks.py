"""What INT8 does to tracks: scores on the built-in scene, and on real videos agreement with float32's tracks.

    python -m benchmarks.int8.tracks PACK BUILTIN [--frames N]

PACK is NanoDet-Plus-m 416 calibrated (as `python -m benchmarks.int8.nanodet_plus` makes it), BUILTIN the demo's pack
(`make demo`).
Where nobody labelled anything the tracks of float32 are taken as truth. Beside INT8 stands float32 itself on pictures
with one grey level of noise: what a camera does anyway.
"""

import argparse
import json
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge import cli
from edge.chain.pipeline import Pipeline
from edge.events import Origin
from edge.infer.backend import VariantName
from edge.motchallenge import SequenceInfo, read_tracks
from edge.sinks.mot import MotText
from edge.sinks.recording import RecordingOutputs
from edge.types import Frame
from edge.val.dataset import Sequence
from edge.val.score import judge, scores
from edge.video.open import open_source

VIDEOS = ("one-by-one-person-detection.mp4", "mmtracking_demo.mp4")
SEEDS = (3, 4, 5)
NOISE = 1.0  # grey levels, standard deviation
SHOWN = ("HOTA", "MOTA", "IDF1")


def main() -> None:
    """Measure, print and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, metavar="PACK")
    parser.add_argument("builtin", type=Path, metavar="BUILTIN")
    parser.add_argument("--frames", type=int, default=400, metavar="N", help="of each video and scene; default: 400")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = [row for seed in SEEDS for row in _scene(args.builtin, seed, args.frames, Path(folder))]
        videos = [
            row for name in VIDEOS for row in _video(args.pack, DATA / "videos" / name, args.frames, Path(folder))
        ]
    body = (
        f"The built-in scene with the built-in detector, at most {args.frames} frames, against the scene's truth.\n\n"
        + table(["scene", "precision", *SHOWN], scene)
        + "\nReal videos with NanoDet-Plus-m 416, against float32's own tracks as truth; people, nanotrack.\n\n"
        + table(["video", "run", *SHOWN, "identities", "float32's"], videos)
    )
    print(body)
    command = f"python -m benchmarks.int8.tracks PACK BUILTIN --frames {args.frames}"
    write_section("int8_tracks", "Tracks in INT8", body, command, ("nanotrack-edge", "onnxruntime", "trackeval"))


def _scene(pack: Path, seed: int, frames: int, folder: Path) -> list[list[str]]:
    """A row for each precision on one street, from the demo's own report."""
    address = f"demo://?people=20&seed={seed}&frames={frames}"
    if cli.main(["demo", "--model", str(pack), "--out", str(folder), "--scene", address]):
        raise SystemExit(f"{pack}: nanotrack demo failed")
    report = json.loads((folder / "report.json").read_text("utf-8"))
    runs = sorted([report, *report["beside"]], key=lambda run: run["rung"])
    return [[f"seed {seed}", run["rung"], *(f"{run['scores'][name]:.1f}" for name in SHOWN)] for run in runs]


def _video(pack: Path, path: Path, frames: int, folder: Path) -> list[list[str]]:
    """A row for INT8 and one for float32 on noisy pictures, both against float32's tracks."""
    source = open_source(str(path))
    runs: dict[str, VariantName] = {"float32": "fp32", "int8": "int8", "float32, noise": "fp32"}
    pipelines = {name: Pipeline(pack, frame_rate=source.frame_rate, variant=variant) for name, variant in runs.items()}
    random = np.random.default_rng(0)
    count = 0
    with closing(source):
        files = {
            name: RecordingOutputs(
                {"mot": MotText(folder / f"{name}.txt")},
                Origin(name, path.stem, pipeline.classes),
                pipeline.tracker,
                pipeline.spans,
            )
            for name, pipeline in pipelines.items()
        }
        buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
        while count < frames and (frame := source.read(buffer)) is not None:
            count += 1
            noise = NOISE * random.standard_normal(frame.image.shape, np.float32)
            noisy = np.clip(np.rint(frame.image + noise), 0, 255).astype(np.uint8)
            for name, pipeline in pipelines.items():
                image = noisy if name.endswith("noise") else frame.image
                files[name].write(frame, pipeline(Frame(image, frame.number, frame.time_s)))
        for file in files.values():
            file.close()
    truth = _as_truth(folder / "float32.txt")
    info = SequenceInfo(path.stem, source.frame_rate, count, *source.size, "img1", ".jpg")
    sequence = Sequence(path.stem, info, np.arange(1, count + 1), truth, None, None)
    expected = _identities(folder / "float32.txt")
    rows = []
    for name in ("int8", "float32, noise"):
        found = scores(judge(sequence, "MOT17", folder / f"{name}.txt"))
        figures = [f"{found[key]:.1f}" for key in SHOWN]
        rows.append([f"{path.stem}, {count} frames", name, *figures, _identities(folder / f"{name}.txt"), expected])
    return rows


def _as_truth(tracks: Path) -> Path:
    """A ground truth file of a tracker's output: every box counts, is a pedestrian and wholly visible."""
    path = tracks.with_suffix(".truth.txt")
    rows = (line.split(",")[:6] for line in tracks.read_text("utf-8").splitlines())
    path.write_text("".join(",".join(row) + ",1,1,1\n" for row in rows), "utf-8")
    return path


def _identities(tracks: Path) -> str:
    return str(len(np.unique(read_tracks(tracks).ids)))


if __name__ == "__main__":
    main()
