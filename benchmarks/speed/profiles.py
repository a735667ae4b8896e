"""What `nanotrack profile` says here: how cost grows with people, where a frame's time goes, what is worth choosing.

    python -m benchmarks.speed.profiles [--pack PACK] [--video FILE] [--seconds S]

The built-in scene is tracked with the built-in detector, whose weights are made for it; the video with --pack, by
default one made of the data folder's checkpoint, without int8 (nanotrack-export pack --calibrate makes one with it).
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

import edge.demo
import export.cli
from benchmarks.data import DATA
from benchmarks.results import RESULTS, table, write_section
from edge.profile import plots
from edge.profile.choices import Comparison
from edge.profile.compare import compare
from edge.profile.measure import WHOLE, Plan
from edge.profile.profiler import Wishes, profile
from edge.profile.report import Report
from edge.profile.show import CHOICE_COLUMNS, choice_cells

_BUILT_IN = Path(edge.demo.__file__).with_name("weights") / "detector.pth"
PEOPLE = (5, 20, 100)
WATERFALL, FRONT = RESULTS / "waterfall.svg", RESULTS / "front.svg"
_PACKAGES = ("nanotrack-edge", "numpy", "numba", "opencv-python-headless", "onnxruntime")


def main() -> None:
    """Measure all three, write two sections of the results and two pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--video", type=Path, default=DATA / "videos" / "one-by-one-person-detection.mp4")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each profile, a third of it for each choice")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    logging.getLogger("edge").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        built_in = _exported(_BUILT_IN, Path(folder) / "builtin.pack")
        pack = args.pack or _exported(DATA / "models" / "nanodet-plus-m_416.pth", Path(folder) / "person.pack")
        plan = Plan(args.seconds)
        scenes = {n: _profiled(built_in, f"demo://?people={n}&size=1280x720", plan) for n in PEOPLE}
        street = _profiled(pack, str(args.video), plan)
        cores = len(os.sched_getaffinity(0))
        choices = compare(Wishes(pack, str(args.video), threads=cores), args.seconds / 3, _say)
    growth, ways = _growth(scenes), _ways(args.video, choices, street)
    print(growth, ways, sep="\n")
    if args.dry_run:
        return
    command = "python -m benchmarks.speed.profiles"
    write_section("growth", "Cost against the number of people", growth, command, _PACKAGES)
    write_section("choices", "What is worth choosing here", ways, command, _PACKAGES)
    WATERFALL.write_text(standalone(plots.waterfall(street)), "utf-8")
    FRONT.write_text(standalone(plots.front(choices)), "utf-8")


def _exported(checkpoint: Path, pack: Path) -> Path:
    if export.cli.main(["pack", "--detector", str(checkpoint), "-o", str(pack)]):
        raise SystemExit(f"{checkpoint}: cannot be exported")
    return pack


def _profiled(pack: Path, source: str, plan: Plan) -> Report:
    return profile(Wishes(pack, source), plan, 0.0, _say).report


def _growth(scenes: dict[int, Report]) -> str:
    names = [stage.name for stage in scenes[PEOPLE[0]].stages if stage.name != "wait"]
    rows = []
    for name in names:
        stages = [report.stage(name) for report in scenes.values()]
        what = "everything but decoding" if name == WHOLE else ""
        rows.append((name, what, *(f"{stage.p50_ms:.3f}" if stage else "–" for stage in stages)))
    rows.append(("tracks shown a frame", "", *(f"{report.rate.people:.1f}" for report in scenes.values())))
    rows.append(("FPS", "one thread", *(f"{report.rate.fps:.1f}" for report in scenes.values())))
    shown = table(("stage", "", *(f"{n} people" for n in scenes)), rows)
    return f"""The built-in scene (**simulated**), 1280x720, drawn into a video first, built-in detector in float32; p50
in milliseconds, one thread for the network.

{shown}
{_doubts(next(iter(scenes.values())).warnings)}"""


def _ways(video: Path, found: Comparison, street: Report) -> str:
    rows = [choice_cells(choice) for choice in found.choices]
    return f"""{video.name}, {found.width}x{found.height}. Threads of the network; frames at once, a thread each, as
`nanotrack track` works, or 1, as the daemon does. Latency from a decoded frame to its tracks being written. *Agrees*:
the share of boxes on which the identities are those of float32. A star: nothing else is as good in everything.

{table(CHOICE_COLUMNS, rows)}
It says: {found.recommendation}.
{_doubts(found.warnings)}
![rate and latency of every choice](front.svg)

One frame, one after another, {street.setup.rung} with one thread:

![where a frame's time goes](waterfall.svg)"""


def _doubts(warnings: tuple[str, ...]) -> str:
    return "".join(f"\nDoubt: {warning}.\n" for warning in warnings)


def standalone(svg: str) -> str:
    """A plot of a report as a file of its own, on white."""
    head, end, rest = svg.partition(">")
    style = "<style>text { font: 12px sans-serif; fill: #212529; }</style>"
    return f'{head}{end}{style}<rect y="-30" width="100%" height="120%" fill="#fff"/>{rest}\n'


def _say(text: str) -> None:
    sys.stderr.write(f"{text} …\n")


if __name__ == "__main__":
    main()
