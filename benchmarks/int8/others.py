"""INT8 of the other networks: the built-in joint network, NanoDet-m of v0.x, and NanoDet-Plus 1.5x.

    python -m benchmarks.int8.others [joint] [nanodet_m] [wide]

Needs the data folder (`../shared/data` or NANOTRACK_DATA), and torch for the 1.5x.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

import edge.demo
from benchmarks.data import DATA
from benchmarks.int8.lifted import nanodet_m
from benchmarks.int8.nanodet_plus import accuracy, in_turns
from benchmarks.int8.untrained import nanodet_plus
from benchmarks.results import table, write_section
from calibration import frames
from calibration.calibrate import PICTURES, calibrate
from calibration.joint_gate import JointAgreement, JointJudge
from calibration.outcome import Outcome, Settings
from calibration.runtime import Array, Arrays, Feed, Runner
from edge import cli, modelpack
from edge.detect.classes import class_names
from edge.modelpack import Detector, ModelPack, Source
from export import nanodet, networks, pack
from export.checkpoint import Tensors
from export.graph import OPSET
from export.networks import Network
from export.weights import Weights

STREETS = [f"demo://?people=20&frames=2&seed={seed}" for seed in range(100_000, 100_032)]
SEEDS, FRAMES = (3, 4, 5), 300
SHOWN = ("HOTA", "MOTA", "IDF1", "IDSW")
SIZE = 416
ZOO = DATA / "models/object_detection_nanodet_2022nov.onnx"
NOISE = (1.0, 2.0)  # grey levels, standard deviation


def main() -> None:
    """Measure each part that is named, or all, and write its section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in wanted:
        title, measured = PARTS[name]
        with tempfile.TemporaryDirectory() as folder:
            body = f"{_processor()}\n\n{measured(Path(folder))}"
        print(body, flush=True)
        write_section(f"int8_{name}", title, body, f"python -m benchmarks.int8.others {name}", PACKAGES)


def _processor() -> str:
    flags = Path("/proc/cpuinfo").read_text("utf-8").split()
    kind = "has no" if {"avx512_vnni", "avx_vnni"}.isdisjoint(flags) else "has"
    return f"This processor {kind} VNNI. Speed: one thread, median CPU time in turns."


def _joint(folder: Path) -> str:
    network = networks.detector(Path(edge.demo.__file__).with_name("weights") / "joint.pth")
    outcome, written = _calibrated(network, folder / "joint.pack", frames.find(PICTURES, *STREETS, in_pairs=True))
    reference = Runner(network.content)
    judge = JointJudge(network.description, reference, outcome.held_out)
    verdicts = {r.name: r.verdict for r in outcome.variants if isinstance(r.verdict, JointAgreement)}
    rows = [_figures(form, verdict) for form, verdict in verdicts.items()]
    rows += [_figures(f"fp32, noise {sigma:g}", judge.verdict(Noisy(reference, sigma), 1)) for sigma in NOISE]
    columns = ["form", "AP .5", "AP .5:.95", "score bias", "offset error", "moved", "cosine mean", "cosine 1st pct."]
    speed = _speed(written, outcome.held_out[0])
    tracks = [row for seed in SEEDS for row in _tracks(written, seed, folder)]
    return (
        f"The built-in joint network, calibrated on {len(outcome.held_out)} pairs of frames of the built-in scene and"
        f" judged on as many others ({verdicts['int8'].truths} people). Beside the forms float32"
        " itself with grey levels of noise, which is what a camera does.\n\n"
        + table(columns, rows)
        + f"\n{speed}\n\nIts tracks, method jointtrack, {FRAMES} frames a street:\n\n"
        + table(["scene", "precision", *SHOWN], tracks)
    )


class Noisy(Runner):
    """A network that sees pictures with `sigma` grey levels of noise."""

    def __init__(self, network: Runner, sigma: float) -> None:
        self._network, self._sigma = network, sigma
        self._random = np.random.default_rng(0)

    def __call__(self, feed: Feed) -> Arrays:
        assert not isinstance(feed, np.ndarray)
        return self._network({name: self._noisy(tensor) for name, tensor in feed.items()})

    def each(self, feeds: Iterable[Feed]) -> Iterator[Arrays]:
        """One after the other, so that the noise is the same each time."""
        return map(self, feeds)

    def _noisy(self, tensor: Array) -> Array:
        moved = tensor + self._sigma * self._random.standard_normal(tensor.shape)
        return np.asarray(np.clip(np.rint(moved), 0, 255).astype(tensor.dtype))


def _figures(form: str, verdict: JointAgreement) -> list[str]:
    found = [verdict.way_back, verdict.moved, verdict.cosine_mean, verdict.cosine_p1]
    head = [form, f"{verdict.ap50:.3f}", f"{verdict.ap:.3f}", f"{verdict.score_bias:+.4f}"]
    return head + [f"{value:.4f}" for value in found]


def _calibrated(
    network: Network[Detector], target: Path, chosen: frames.Frames, settings: Settings | None = None
) -> tuple[Outcome, ModelPack]:
    """What calibration on `chosen` made of a network, and the pack with it."""
    contents = {"detector": network.content}
    found = calibrate(contents, network.description, None, chosen, settings or Settings(), lambda text: None)
    pack.write(target, network, calibration=found)
    return found.outcomes["detector"], modelpack.read(target)


def _speed(written: ModelPack, feed: Feed, peers: dict[str, Callable[[], object]] | None = None) -> str:
    runs = dict(peers or {})
    for form in ("fp32", "int8"):
        runner = Runner(written.path(written.detector.variants[form]).read_bytes())
        runs[form] = lambda runner=runner: runner(feed)  # type: ignore[misc]
    times = in_turns(list(runs.values()))
    said = ", ".join(f"{name} {ms:.2f} ms" for name, ms in zip(runs, times, strict=True))
    return f"Speed: {said}: int8 is {times[-2] / times[-1]:.2f}x as fast as fp32."


def _tracks(written: ModelPack, seed: int, folder: Path) -> list[list[str]]:
    """A row for each precision on one street, from the demo's own report."""
    rows = []
    for variant in ("fp32", "int8"):
        address = f"demo://?people=20&seed={seed}&frames={FRAMES}"
        command = ["demo", "--model", str(written.folder), "--out", str(folder / "out"), "--scene", address]
        if cli.main([*command, "--tracking-method", "jointtrack", "--variant", variant]):
            raise SystemExit(f"{written.folder}: nanotrack demo failed")
        report = json.loads((folder / "out/report.json").read_text("utf-8"))
        rows.append([f"seed {seed}", report["rung"], *(f"{report['scores'][name]:.1f}" for name in SHOWN)])
    return rows


def _nanodet_m(folder: Path) -> str:
    """The zoo's NanoDet-m: real weights, a shared tower, LeakyReLU, a pyramid that resizes and adds."""
    network = _built("nanodet-m.pth", nanodet_m(ZOO), "nanodet")
    _, written = _calibrated(network, folder / "m.pack", frames.find(PICTURES, str(DATA / "images/coco128")))
    zoo = Runner(ZOO.read_bytes())
    planes = np.random.default_rng(0).normal(0, 1, (1, 3, SIZE, SIZE)).astype(np.float32)
    speed = _speed(written, _noise(), {"the zoo's file": lambda: zoo(planes)})
    return (
        "NanoDet-m 1.0x of v0.x: no checkpoint is at hand, so its weights are lifted out of the zoo's ONNX file"
        f" (`{ZOO.name}`); calibrated on 64 pictures of coco128.\n\n"
        + accuracy(written, frames.find(1000, str(DATA / "images/mot17_mini")))
        + f"\n{speed}"
    )


def _wide(folder: Path) -> str:
    """The 1.5x with weights that mean nothing: its speed, and how much calibration keeps of what it sees."""
    chosen = frames.find(32, str(DATA / "images/coco128"))
    pictures = [cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR) for picture in chosen.pictures()]
    network = _built("wide.pth", nanodet_plus("1.5x", 80, pictures), "nanodet-plus")
    outcome, written = _calibrated(network, folder / "wide.pack", chosen, Settings(boards=["cpu"]))
    verdicts = ", ".join(f"{r.name} {r.verdict.ap50:.3f} / {r.verdict.ap:.3f}" for r in outcome.variants)  # type: ignore[union-attr]
    return (
        "NanoDet-Plus-m 1.5x 416: no weights are to be had, so these are **drawn at random**, with measured statistics"
        f" of activations. Agreement on what they see by chance, AP .5 / .5:.95: {verdicts}."
        f" {_speed(written, _noise())}"
    )


def _built(name: str, state: Tensors, kind: str) -> Network[Detector]:
    weights = Weights(name, state)
    model, image, head = nanodet.build(weights, kind, SIZE, SIZE)
    classes = class_names(nanodet.class_count(weights))
    source = Source(name, "0" * 64, nanodet.architecture(weights, kind))
    return Network(model.SerializeToString(), OPSET, Detector(source, image, head, classes, {}))


def _noise() -> Array:
    return np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.uint8)


PACKAGES = ("nanotrack-edge", "onnxruntime", "onnx", "numpy", "trackeval")
PARTS: dict[str, tuple[str, Callable[[Path], str]]] = {
    "joint": ("INT8 of the built-in joint network", _joint),
    "nanodet_m": ("INT8 of NanoDet-m", _nanodet_m),
    "wide": ("INT8 of NanoDet-Plus-m 1.5x", _wide),
}

if __name__ == "__main__":
    main()
