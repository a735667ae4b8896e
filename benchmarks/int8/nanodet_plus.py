"""INT8 against float32 on real weights and real frames: agreement, recall and speed, in turns, one thread.

    python -m benchmarks.int8.nanodet_plus [PACK]

Needs the data folder (`../shared/data` or NANOTRACK_DATA). Without PACK it exports and calibrates one first. Where
OpenVINO, or ncnn with pnnx, can be imported, they run in the same turns.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

import edge.demo
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed import ncnn_peer
from calibration import feeds, frames, search
from calibration.calibrate import NO_CPU_REID, PICTURES, calibrate
from calibration.gate import Agreement, DetectorJudge, ReidJudge
from calibration.network import Network
from calibration.outcome import Boards, Settings
from calibration.precision import iou_matrix
from calibration.runtime import Array, Runner
from calibration.search import RangeMethods, Subject
from edge import modelpack
from edge.modelpack import ModelPack
from edge.motchallenge import read_ground_truth
from export import cli, networks

PUBLISHED = DATA / "models/nanodet-plus-m_416.onnx"
ROUNDS = 60
COPIES = 3
RECALL_SCORE = 0.3


def main() -> None:
    """Measure, print and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", nargs="?", metavar="PACK", help="default: one that is exported and calibrated first")
    given: str | None = parser.parse_args().pack
    with tempfile.TemporaryDirectory() as folder:
        pack, export_s = _pack(given, Path(folder))
        pictures = frames.find(1000, str(DATA / "images/mot17_mini"))
        speed = _speed(pack, Path(folder))
        parts = [_export_text(export_s), accuracy(pack, pictures), speed, _appearance(pack), _builtin()]
    body = "\n\n".join(parts)
    print(body)
    command = "python -m benchmarks.int8.nanodet_plus" + (" PACK" if given else "")
    write_section("int8", "INT8", body, command, ("nanotrack-edge", "onnxruntime", "onnx", "numpy"))


def _pack(given: str | None, folder: Path) -> tuple[ModelPack, float | None]:
    if given:
        return modelpack.read(given), None
    target, models = folder / "int8.pack", DATA / "models"
    start_s = time.perf_counter()
    flags = ["--detector", models / "nanodet-plus-m_416.pth", "--reid", models / "osnet_x0_25_msmt17.pth"]
    cli.main(["pack", *map(str, flags), "--calibrate", str(DATA / "images/coco128"), "-o", str(target)])
    return modelpack.read(target), time.perf_counter() - start_s


def _export_text(export_s: float | None) -> str:
    text = "NanoDet-Plus-m 416 and OSNet x0.25, calibrated on 64 and judged on 64 other pictures of coco128."
    return text + (f" Export with calibration and report: {export_s:.0f} s of wall time." if export_s else "")


def accuracy(pack: ModelPack, pictures: frames.Frames) -> str:
    """Agreement on people and recall of real pedestrians for each form, on frames unlike those of calibration."""
    detector = replace(pack.detector, variants={})
    tensors = [feeds.tensor(detector.input, [picture]) for picture in pictures.pictures()]
    truths = list(_pedestrians(pictures, detector.input.width, detector.input.height))
    reference = _runner(pack, "fp32")
    judge = DetectorJudge(detector, reference, tensors, classes=[detector.classes.index("person")])
    rows = [["fp32", "1", "1", "0", f"{_recall(judge, reference, tensors, truths):.3f}"]]
    for form in ("int8", "qdq", "fp16", "qdq_fp16"):
        run = _runner(pack, form)
        found = judge.verdict(run, COPIES if form == "int8" else 1)
        recall = _recall(judge, run, tensors, truths)
        rows.append([form, f"{found.ap50:.3f}", f"{found.ap:.3f}", f"{found.score_bias:+.4f}", f"{recall:.3f}"])
    head = (
        f"People on the {len(tensors)} frames of mot17_mini, against float32 detections of at least .3"
        f" ({found.truths} boxes); int8 over {COPIES} slightly perturbed copies, qdq with all fusion off.\n\n"
    )
    return head + table(["form", "AP .5", "AP .5:.95", "score bias", "pedestrian recall"], rows)


def _runner(pack: ModelPack, form: str) -> Runner:
    return Runner(pack.path(pack.detector.variants[form]).read_bytes(), exact=form == "qdq")


def _pedestrians(pictures: frames.Frames, width: int, height: int) -> Iterator[np.ndarray]:
    """Real pedestrians of each chosen picture, in pixels of the network's input."""
    for number, picture in zip(pictures.chosen, pictures.pictures(), strict=True):
        path = Path(pictures.sources[number])
        truth = read_ground_truth(path.parent.parent / "gt/gt.txt")
        rows = (truth.frames == int(path.stem)) & (truth.classes == 1) & (truth.scores > 0)
        left_top, size = np.split(truth.boxes_ltwh[rows], 2, axis=1)
        yield np.hstack([left_top, left_top + size]) * (
            np.array([width, height] * 2) / np.tile(picture.shape[1::-1], 2)
        )


def _recall(judge: DetectorJudge, run: Runner, tensors: Sequence[Array], truths: Sequence[np.ndarray]) -> float:
    hits = total = 0
    for tensor, truth in zip(tensors, truths, strict=True):
        ious = iou_matrix(judge.detections(run(tensor), RECALL_SCORE).boxes_xyxy, truth.astype(np.float32))
        taken: set[int] = set()
        for row in ious:
            free = [i for i in np.argsort(-row) if i not in taken and row[i] >= 0.5]
            taken.update(free[:1])
        hits, total = hits + len(taken), total + len(truth)
    return hits / total


def _speed(pack: ModelPack, folder: Path) -> str:
    """Median CPU times in turns. Ours take raw pixels and normalise inside; the published file wants planes."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 416, 416, 3)).astype(np.uint8)
    planes = np.random.default_rng(0).normal(0, 1, (1, 3, 416, 416)).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {}
    published = Runner(PUBLISHED.read_bytes())
    runs["published file, float32"] = lambda: published(planes)
    for form in ("fp32", "int8"):
        runner = Runner(pack.path(pack.detector.variants[form]).read_bytes())
        runs[f"ours, {form}"] = lambda runner=runner: runner(pixels)  # type: ignore[misc]
    if importlib.util.find_spec("openvino"):
        runs |= _openvino(planes)
    runs |= ncnn_peer.runs(PUBLISHED, planes, folder)
    times = in_turns(list(runs.values()))
    rows = [[name, "", f"{ms:.2f}", f"{times[0] / ms:.2f}x"] for name, ms in zip(runs, times, strict=True)]
    text = f"One thread, median CPU time of {ROUNDS} rounds in turns."
    if any(name.startswith("ncnn") for name in runs):
        text += (
            " ncnn's integer file is written by this benchmark with made-up scales, since no wheel has ncnn's tools."
        )
    return f"{text}\n\n" + table(["run", "", "ms", "speed"], rows)


def _builtin() -> str:
    """The built-in detector, a 0.5x with one class, calibrated on nine seconds of four streets: agreement and speed."""
    weights = Path(edge.demo.__file__).with_name("weights") / "detector.pth"
    network = networks.detector(weights)
    streets = [f"demo://?people=20&fps=1&frames=9&seed={seed}" for seed in range(100_000, 100_004)]
    boards: tuple[Boards, ...] = ("cpu",)
    described = network.description
    outcome = calibrate(
        {"detector": network.content}, described, None, frames.find(PICTURES, *streets), Settings(boards=boards), _quiet
    )
    (variant,) = outcome.outcomes["detector"].variants
    verdict = cast(Agreement, variant.verdict)
    size = described.input
    picture = np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3)).astype(np.uint8)
    runs = [Runner(network.content), Runner(variant.content)]
    float_ms, integer_ms = in_turns([lambda r=r: r(picture) for r in runs])  # type: ignore[misc]
    return (
        f"The built-in {described.source.architecture}, {size.width}x{size.height}, calibrated on 18 pictures of the"
        f" built-in scene, held-out ones: AP .5 {verdict.ap50:.3f}, AP .5:.95 {verdict.ap:.3f}, score bias"
        f" {verdict.score_bias:+.4f}; float32 {float_ms:.2f} ms, int8 {integer_ms:.2f} ms,"
        f" {float_ms / integer_ms:.2f}x. No published weights of the 1.5x are at hand: not measured."
    )


def _quiet(text: str) -> None:
    """Progress that nobody watches."""


def in_turns(runs: Sequence[Callable[[], object]]) -> list[float]:
    """Median CPU time of each in milliseconds, of `ROUNDS` in turns."""
    times = np.zeros((ROUNDS, len(runs)))
    for run in runs:
        run()
    for row in times:
        for i, run in enumerate(runs):
            start_s = time.process_time()
            run()
            row[i] = time.process_time() - start_s
    return [float(ms) for ms in np.median(times, axis=0) * 1000]


def _openvino(planes: Array) -> dict[str, Callable[[], object]]:
    import openvino

    core = openvino.Core()
    found: dict[str, Callable[[], object]] = {}
    for precision in ("f32", "bf16"):
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1}
        request = core.compile_model(str(PUBLISHED), "CPU", options).create_infer_request()
        found[f"OpenVINO {openvino.__version__.split('-')[0]}, {precision}"] = lambda request=request: request.infer(
            [planes]
        )  # type: ignore[misc]
    return found


def _appearance(pack: ModelPack) -> str:
    """OSNet in integers on a CPU: what the pack leaves out, and why."""
    if pack.reid is None:
        return ""
    chosen = frames.find(39, str(DATA / "images/mot17_mini"))
    detector = _runner(pack, "fp32")
    _, crops = feeds.collect(chosen.pictures(), pack.detector, detector, pack.reid)
    batches = feeds.batches(crops, range(len(crops)))
    content = pack.path(pack.reid.variants["fp32"]).read_bytes()
    subject = Subject(Network.parse(content), batches, [], ReidJudge(pack.reid, Runner(content), batches))
    started = search.started(subject, search.CPU, search.observed(subject, search.CPU), [], ())
    integer = replace(started, methods=RangeMethods("percentile", "percentile")).content()
    likeness = ReidJudge(pack.reid, Runner(content), batches).verdict(Runner(integer), 1)
    runs = [Runner(content), Runner(integer)]
    published = Runner((DATA / "models/osnet_x0_25_msmt17_dynamic.onnx").read_bytes())
    rows = []
    for size in (1, 16):
        batch = np.concatenate([*batches, *batches])[:size]
        planes = np.random.default_rng(0).normal(0, 1, (size, 3, 256, 128)).astype(np.float32)
        timed = [(published, planes), *((run, batch) for run in runs)]
        times = in_turns([lambda r=r, x=x: r(x) for r, x in timed])  # type: ignore[misc]
        rows.append([f"batch {size}", "", *(f"{ms:.2f}" for ms in times), f"{times[1] / times[2]:.2f}x"])
    return (
        f"OSNet x0.25 on this CPU, everything in integers: mean cosine {likeness.cosine_mean:.4f}, 1st percentile "
        f"{likeness.cosine_p1:.4f}, {likeness.crops} crops. {NO_CPU_REID[0].upper()}{NO_CPU_REID[1:]}.\n\n"
        + table(["OSNet x0.25", "", "published file ms", "float32 ms", "int8 ms", "int8 beside float32"], rows)
    )


if __name__ == "__main__":
    main()
