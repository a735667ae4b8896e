"""What appearance gains on the built-in scene, and what it costs: accuracy, embeddings computed, milliseconds a frame.

    python -m benchmarks.accuracy.reid [--people 30] [--frames 600] [--seeds 1 2 3]

Every picture is detected and embedded once; trackers run on these with the embeddings that their policy asks for. The
milliseconds are the tracker's CPU time plus the embeddings it asked for times the measured cost of one.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import export.cli
from benchmarks.results import table, write_section
from edge.demo.scene import Scene
from edge.detect.open import open_detector
from edge.infer.ladder import Wish
from edge.motchallenge import SequenceInfo, format_rows
from edge.reid.open import open_embedder
from edge.reid.stage import Policy, ReidStage
from edge.track.tracker import Tracker
from edge.types import Detections, Float32s, Image
from edge.val.dataset import Sequence
from edge.val.score import combine, judge, scores

_WEIGHTS = Path(export.cli.__file__).parents[1] / "edge" / "demo" / "weights"
# Method, memory, policy.
ROWS: list[tuple[str, str | None, Policy]] = [
    ("nanotrack", "none", "never"),
    ("nanotrack", "ema", "auto"),
    ("nanotrack", "ema", "always"),
    ("nanotrack", "sasm", "auto"),
    ("nanotrack", "sasm", "always"),
    ("bytetrack", "none", "never"),
    ("bytetrack", "ema", "auto"),
    ("bytetrack", "ema", "always"),
    ("bytetrack", "sasm", "auto"),
    ("bytetrack", "sasm", "always"),
    ("qdtrack", None, "always"),
    ("jointtrack", None, "always"),
]


@dataclass
class Recorded:
    """The built-in scene as its networks see it: detections with all their embeddings, a frame each.

    `frames` are of the detector and the ReID network, `jointly` of the joint network, if there is one.
    """

    sequence: Sequence
    frames: list[Detections]
    jointly: list[Detections]


class Recall:
    """An embedder that looks embeddings up by box; stands in for the network that computed them."""

    def __init__(self, description: Any) -> None:
        self.description = description
        self.frame = Detections.empty()

    def __call__(self, image: Image, boxes_xyxy: Float32s) -> Float32s:
        """The recorded embeddings of `boxes_xyxy`, all of which are detections of `frame`."""
        known = {box.tobytes(): row for row, box in enumerate(self.frame.boxes_xyxy)}
        rows = [known[box.tobytes()] for box in boxes_xyxy]
        embeddings: Float32s = self.frame.embeddings[rows]  # type: ignore[index]
        return embeddings


def separate_pack(folder: Path) -> Path:
    """The built-in detector and ReID network as a pack in `folder`."""
    networks = ["--detector", str(_WEIGHTS / "detector.pth"), "--reid", str(_WEIGHTS / "reid.pth")]
    return _exported(networks, folder / "separate.pack")


def joint_pack(folder: Path) -> Path:
    """The built-in joint network as a pack in `folder`."""
    return _exported(["--detector", str(_WEIGHTS / "joint.pth")], folder / "joint.pack")


def _exported(networks: list[str], target: Path) -> Path:
    if export.cli.main(["pack", *networks, "-o", str(target)]):
        raise SystemExit("the built-in weights cannot be exported")
    return target


def record(
    folder: Path, pack: Path, joint: Path | None, people: int, frames: int, seed: int, fps: float = 30.0
) -> tuple[Recorded, Any, float]:
    """A scene, the description of its ReID network, and milliseconds an embedding.

    Without `joint` nothing is detected jointly.
    """
    wish = Wish("onnxruntime", "fp32")
    detect, embed = open_detector(pack, backend="onnxruntime", variant="fp32"), open_embedder(pack, wish)
    follow = open_detector(joint, backend="onnxruntime", variant="fp32") if joint is not None else None
    scene = Scene.from_url(f"demo://?people={people}&seed={seed}&frames={frames}&fps={fps:g}")
    truth, seen, jointly, count, spent_s = [], [], [], 0, 0.0
    for frame, people_there in scene:
        detections = detect(frame.image)
        began = time.process_time()
        detections.embeddings = embed(frame.image, detections.boxes_xyxy)
        spent_s += time.process_time() - began
        count += len(detections)
        seen.append(detections)
        if follow is not None:
            jointly.append(follow(frame.image))
        truth.append(people_there.rows(frame.number, frame.image.shape[0]))
    path = folder / f"truth{seed}.txt"
    path.write_text("".join(truth))
    info = SequenceInfo(f"seed {seed}", scene.frame_rate, frames, *scene.size, "img1", ".jpg")
    sequence = Sequence(info.name, info, np.arange(1, frames + 1), path, None, None)
    return Recorded(sequence, seen, jointly), embed.description, 1e3 * spent_s / max(1, count)


def track(recorded: Recorded, method: str, memory: str | None, policy: Policy, description: Any, out: Path) -> Any:
    """TrackEval's result, embeddings computed, those that `always` computes, milliseconds a frame without them."""
    tracker = Tracker(method, recorded.sequence.info.frame_rate, appearance=memory)
    recall = Recall(description)
    stage = ReidStage(recall, tracker, policy)
    rows, spent_s, image = [], 0.0, np.zeros((1, 1, 3), np.uint8)
    is_joint = method == "jointtrack"
    for number, frame in enumerate(recorded.jointly if is_joint else recorded.frames, 1):
        recall.frame = frame
        plain = frame if is_joint else Detections(frame.boxes_xyxy, frame.scores, frame.classes)
        began = time.process_time()
        time_s = number / recorded.sequence.info.frame_rate
        if not is_joint:
            plain = stage(image, plain, time_s)
        tracks = tracker.update(plain, time_s)
        spent_s += time.process_time() - began
        rows.append(format_rows(number, tracks))
    out.write_text("".join(rows))
    counter = stage.counter
    return (
        judge(recorded.sequence, "MOT17", out),
        counter.computed,
        counter.computed + counter.saved,
        1e3 * spent_s / len(recorded.frames),
    )


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = separate_pack(folder), joint_pack(folder)
        scenes = [record(folder, *pair, args.people, args.frames, seed) for seed in args.seeds]
        description, cost_ms = scenes[0][1], float(np.median([cost for _, _, cost in scenes]))
        track(scenes[0][0], "nanotrack", "ema", "auto", description, folder / "t.txt")  # compiles what it does not time
        for method, memory, policy in ROWS:
            runs = [track(scene, method, memory, policy, description, folder / "t.txt") for scene, _, _ in scenes]
            found = scores(combine({s.sequence.name: run[0] for (s, _, _), run in zip(scenes, runs, strict=True)}))
            computed, all_ = sum(run[1] for run in runs), sum(run[2] for run in runs)
            a_frame = computed / (args.frames * len(scenes))
            own_ms = float(np.mean([run[3] for run in runs]))
            rows.append(
                (
                    method,
                    "none" if memory == "none" else f"{memory or 'its own'}, {policy}",
                    *(f"{found[key]:.1f}" for key in ("HOTA", "AssA", "IDF1")),
                    f"{found['IDSW']:.0f}",
                    f"{100 * computed / all_:.0f} %" if all_ else "–",
                    f"{a_frame:.1f}",
                    f"{own_ms + a_frame * cost_ms:.2f}",
                )
            )
            print(rows[-1], flush=True)
    columns = (
        "method", "memory, policy", "HOTA", "AssA", "IDF1", "IDSW", "of all embeddings", "a frame", "ms a frame"
    )  # fmt: skip
    seeds = ", ".join(map(str, args.seeds))
    options = f"--people {args.people} --frames {args.frames} --seeds {seeds.replace(',', '')}"
    command = f"python -m benchmarks.accuracy.reid {options}"
    body = f"""The built-in scene, **simulated** pictures: {args.people} people, {args.frames} frames at 30 a second
for each of the seeds {seeds}; built-in networks, fp32. An embedding costs {cost_ms:.2f} ms of one core here.
The milliseconds are those of embeddings, memory and association, without detection. The joint network finds people,
their appearance and their motion at once, so jointtrack's row has detections of its own and embeddings without cost.

{table(columns, rows)}"""
    print(body)
    write_section("reid", "What appearance gains, and costs", body, command, ("numba", "onnxruntime"))


if __name__ == "__main__":
    main()
