"""What the second pass over a recording gains in the built-in scene: offline beside online, by motion and appearance.

    python -m benchmarks.accuracy.offline [--people 20] [--seconds 60] [--seeds 3 4 5]

A minute is long enough for people to leave the picture and come back, which only appearance can bridge. Every picture
is detected and embedded once. On real detections, by motion, the second pass is in `benchmarks.accuracy.real`.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.reid import Recorded, record, separate_pack
from benchmarks.results import table, write_section
from edge.chain.offline import Recording
from edge.motchallenge import format_rows
from edge.track.tracker import Tracker
from edge.val.score import Scores, combine, judge, scores

FPS = 15.0
SHOWN = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    args = parser.parse_args()
    frames, rows = round(args.seconds * FPS), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack = separate_pack(folder)
        scenes = [record(folder, pack, None, args.people, frames, seed, FPS)[0] for seed in args.seeds]
        for appearance, title in (("none", "motion"), ("ema", "motion and appearance")):
            for offline in (False, True):
                found = _scores(scenes, appearance, offline, folder / "tracks.txt")
                rows.append((title, "offline" if offline else "online", *(_text(key, found[key]) for key in SHOWN)))
                print(*rows[-1], flush=True)
    seeds = " ".join(map(str, args.seeds))
    body = f"""The built-in scene, **simulated** pictures: {args.people} people, {args.seconds} s at {FPS:g} frames a
second for each of the seeds {seeds}; built-in networks, fp32, an embedding for every detection.

{table(("by", "pass", *SHOWN), rows)}"""
    print(body)
    command = f"python -m benchmarks.accuracy.offline --people {args.people} --seconds {args.seconds} --seeds {seeds}"
    write_section("offline", "Offline in the built-in scene", body, command, ("nanotrack-edge", "numba", "onnxruntime"))


def _scores(scenes: list[Recorded], appearance: str, offline: bool, out: Path) -> Scores:
    """TrackEval's scores over all scenes."""
    judged = {}
    for scene in scenes:
        tracker = Tracker("nanotrack", FPS, appearance=appearance)
        recording, shown = Recording(tracker), []
        for number, frame in enumerate(scene.frames):
            seen = frame if appearance != "none" else replace(frame, embeddings=None)
            shown.append(tracker.update(seen, number / FPS))
            recording.add(number / FPS, shown[-1], seen)
        tracks = recording.tracks() if offline else shown
        out.write_text("".join(format_rows(number, each) for number, each in enumerate(tracks, 1)))
        judged[scene.sequence.name] = judge(scene.sequence, "MOT17", out)
    return scores(combine(judged))


def _text(key: str, value: float) -> str:
    return f"{value:.0f}" if key == "IDSW" else f"{value:.1f}"


if __name__ == "__main__":
    main()
