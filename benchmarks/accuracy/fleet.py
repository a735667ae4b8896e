"""Identities across cameras: the built-in scene as one street, a board for each two cameras, a broker, a fleet.

    python -m benchmarks.accuracy.fleet [--pack out/demo/builtin.pack] [--seeds 11 12] [--folder DIR]

Every camera's pictures go through the daemon's chain: detector, ReID, tracker, appearance. What the boards say is then
sent when its time comes, by the daemon's own MQTT output, to a real mosquitto with logins, and `nanotrack fleet`
answers as a process of its own. Scored is IDF1 over all cameras: a person's identity must be the same in all of them.
`--folder` keeps what was tracked, and a run that is repeated there goes on with it. Seeds from 100000 up are what the
built-in networks were trained on; these are smaller. make demo makes the pack.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.field import Broker, wait_for
from benchmarks.results import table, write_section
from edge.chain.pipeline import Pipeline
from edge.demo.scene import Options, Scene
from edge.events import Embedded, Ended, Lives, Lost, Moment, Origin
from edge.motchallenge import SequenceInfo, format_rows
from edge.service.appearance import Appearances
from edge.settings.config import Mqtt
from edge.sinks.mqtt import MqttOutput
from edge.types import Frame, Tracks
from edge.val.dataset import Sequence
from edge.val.score import judge, scores

BOARDS = 3
# Which identity a stay has: by the number of its camera, the board's own identity, and how often that had ended.
Key = tuple[int, int, int]
_LOGINS = {"fleet": "a", "watch": "b", **{f"board{k}": "c" for k in range(BOARDS)}}
_WINDOW_S = 20.0


@dataclass
class View:
    """What one camera saw: `tracks` and rows of `truth` by frame, and what its board says with the time for each."""

    tracks: list[Tracks]
    stays: list[list[int]]  # of each track in a frame: how often its identity had ended before
    truth: list[str]
    said: list[tuple[float, Embedded]]


def watched(options: Options, pack: Path, folder: Path, view: int) -> View:
    """Camera `view` of the street; kept in `folder`."""
    path = folder / f"{options.seed}-{view}.pickle"
    if path.exists():
        kept: View = pickle.loads(path.read_bytes())  # ours, of an earlier run
        return kept
    scene = Scene(replace(options, view=view))
    frames = ((frame, truth.rows(frame.number, scene.size[1])) for frame, truth in scene)
    found = watch(Pipeline(pack, frame_rate=options.fps, appearance="ema"), frames, view)
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(pickle.dumps(found))
    fresh.rename(path)
    return found


def watch(pipeline: Pipeline, frames: Iterable[tuple[Frame, str]], view: int) -> View:
    """What camera `view` sees in `frames`, each with its rows of ground truth."""
    assert pipeline.reid is not None
    origin = Origin(f"run{view}", f"cam{view}", pipeline.detector.description.classes)
    lives = Lives(origin, pipeline.tracker)
    appearances = Appearances(origin, pipeline.reid.embedder.description.source.sha256)
    found = View([], [], [], [])
    ended: dict[int, int] = {}
    at = Moment(0.0, 0.0)
    for frame, truth in frames:
        tracks = pipeline(frame)
        at = Moment(frame.time_s, frame.time_s)
        size = frame.image.shape[1], frame.image.shape[0]
        said = [*appearances.observe(tracks, pipeline.detections.embeddings, at, size)]
        found.tracks.append(tracks)
        found.stays.append([ended.get(id_, 0) for id_ in tracks.ids.tolist()])
        found.truth.append(truth)
        for event in lives.observe(frame.number, size, tracks, at):
            if isinstance(event, Lost | Ended):
                said += appearances.end(event)
                ended[event.id] = ended.get(event.id, 0) + 1
        found.said += [(at.time_s, each) for each in said]
    for event in lives.stop(at):
        if isinstance(event, Ended):
            found.said += [(at.time_s, each) for each in appearances.end(event)]
    return found


def moved(event: Embedded, begin_s: float) -> Embedded:
    """The event with wall-clock times, as if the recording had begun at `begin_s`."""
    at, first, last = (Moment(each.time_s, begin_s + each.time_s) for each in (event.at, event.first, event.last))
    return replace(event, at=at, first=first, last=last)


def answered(views: Mapping[int, View], folder: Path) -> tuple[dict[Key, int], dict[Key, int], float]:
    """The identities that the fleet gives first and in the end, and the seconds from saying to hearing (99 of 100)."""
    import paho.mqtt.client as paho

    passwords = folder / "passwords"
    passwords.unlink(missing_ok=True)
    passwords.touch(mode=0o600)
    for user, password in _LOGINS.items():
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
        (folder / user).unlink(missing_ok=True)
        (folder / user).touch(mode=0o600)
        (folder / user).write_text(f"{user}:{password}")
    broker = Broker(folder, f"allow_anonymous false\npassword_file {passwords}\nuser root")
    (folder / "fleet.db").unlink(missing_ok=True)
    config = folder / "fleet.toml"
    config.write_text(
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ncredentials = "{folder}/fleet"\n'
        f'[state]\npath = "{folder}/fleet.db"\n[association]\nwindow_s = {_WINDOW_S}\n'
    )
    heard: list[tuple[float, dict[str, Any]]] = []
    online: list[str] = []
    watch = paho.Client(paho.CallbackAPIVersion.VERSION2)
    watch.username_pw_set("watch", _LOGINS["watch"])
    watch.message_callback_add("site/fleet/status", lambda c, d, m: online.append(m.payload.decode()))
    watch.message_callback_add(
        "site/fleet/identities", lambda c, d, m: heard.append((time.time(), json.loads(m.payload)))
    )
    watch.on_connect = lambda client, *rest: client.subscribe("site/fleet/#", qos=1)
    watch.connect("127.0.0.1", broker.port)
    watch.loop_start()
    command = [sys.executable, "-m", "edge.cli", "fleet", "--config", str(config)]
    fleet = subprocess.Popen(command, env=os.environ)
    boards = [
        MqttOutput(Mqtt("127.0.0.1", broker.port, prefix=f"site/board{k}", credentials=str(folder / f"board{k}")))
        for k in range(BOARDS)
    ]
    sent_s: dict[Key, float] = {}
    try:
        wait_for(lambda: "online" in online, "the fleet does not start")
        for board in boards:
            board.start()
        begin_s = time.time()
        all_said = sorted(
            ((at_s, view, event) for view, seen in views.items() for at_s, event in seen.said), key=lambda each: each[0]
        )
        for at_s, view, event in all_said:
            time.sleep(max(0.0, begin_s + at_s - time.time()))
            boards[view % BOARDS].write([moved(event, begin_s)])
            sent_s.setdefault((view, event.id, event.stay), time.time())
        time.sleep(2 * _WINDOW_S)
    finally:
        for board in boards:
            board.close()
        fleet.terminate()
        fleet.wait()
        watch.loop_stop()
        watch.disconnect()
        broker.kill()
    first: dict[Key, int] = {}
    last: dict[Key, int] = {}
    waits_s = []
    for at_s, told in heard:
        key = int(told["camera"].removeprefix("cam")), told["id"], told["stay"]
        if key not in first:
            waits_s.append(at_s - sent_s[key])
        first.setdefault(key, told["global_id"])
        last[key] = told["global_id"]
    return first, last, float(np.quantile(waits_s, 0.99))


def idf1(
    views: Mapping[int, View], size: tuple[int, int], folder: Path, identities: Mapping[Key, int] | None
) -> tuple[float, int]:
    """IDF1 in percent over all cameras one after the other, and how many identities; None: each board's own."""
    rows: list[str] = []
    truth: list[str] = []
    names: dict[tuple[int, ...], int] = {}
    for view, seen in sorted(views.items()):
        for number, (tracks, stays, lines) in enumerate(
            zip(seen.tracks, seen.stays, seen.truth, strict=True), 1 + len(rows)
        ):
            ids: list[int] = []
            for id_, stay in zip(tracks.ids.tolist(), stays, strict=True):
                key = view, id_, stay
                known = None if identities is None else identities.get(key)
                name: tuple[int, ...] = (view, id_) if known is None else (known,)
                if names.get(name) in ids:  # nobody is in a picture twice: the second of them is a mistake
                    name = (view, id_, stay)
                ids.append(names.setdefault(name, len(names) + 1))
            rows.append(format_rows(number, replace(tracks, ids=np.array(ids, np.int64))))
            truth.append("".join(f"{number},{line.partition(',')[2]}" for line in lines.splitlines(keepends=True)))
    (folder / "truth.txt").write_text("".join(truth))
    (folder / "tracks.txt").write_text("".join(rows))
    count = len(rows)
    info = SequenceInfo("site", 1.0, count, *size, "img1", ".jpg")  # times and pictures do not count
    sequence = Sequence("site", info, np.arange(1, count + 1), folder / "truth.txt", None, None)
    return scores(judge(sequence, "MOT17", folder / "tracks.txt"))["IDF1"], len(names)


def owned(views: Mapping[int, View]) -> dict[Key, int]:
    """The identities of a perfect fleet: whom each stay shows most of the time; what shows nobody is somebody else."""
    votes: dict[Key, dict[int, int]] = {}
    for view, seen in views.items():
        for tracks, stays, lines in zip(seen.tracks, seen.stays, seen.truth, strict=True):
            people = np.array([line.split(",")[:6] for line in lines.splitlines()], np.float64).reshape(-1, 6)
            for row, (id_, stay) in enumerate(zip(tracks.ids.tolist(), stays, strict=True)):
                overlaps = _overlaps(tracks.boxes_xyxy[row], people[:, 2:6])
                if len(overlaps) and overlaps.max() >= 0.5:
                    counts = votes.setdefault((view, id_, stay), {})
                    person = int(people[overlaps.argmax(), 1])
                    counts[person] = counts.get(person, 0) + 1
    return {key: max(counts, key=lambda person: counts[person]) for key, counts in votes.items()}


def _overlaps(box_xyxy: np.ndarray, boxes_ltwh: np.ndarray) -> np.ndarray:
    """IoU of one box with others."""
    corners = np.column_stack([boxes_ltwh[:, :2], boxes_ltwh[:, :2] + boxes_ltwh[:, 2:]])
    sides = np.minimum(corners[:, 2:], box_xyxy[2:]) - np.maximum(corners[:, :2], box_xyxy[:2])
    shared = np.clip(sides, 0, None).prod(1)
    return np.asarray(shared / (boxes_ltwh[:, 2:].prod(1) + (box_xyxy[2:] - box_xyxy[:2]).prod() - shared))


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=Path("out/demo/builtin.pack"))
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--fps", type=float, default=6.0)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="keep what was tracked here")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in args.seeds:
        size = args.width, args.width * 9 // 16
        options = Options(args.people, seed, round(args.seconds * args.fps), size, args.fps, street=args.cameras)
        numbers = range(1, args.cameras + 1)
        with ProcessPoolExecutor(args.jobs) as pool:
            seen = dict(zip(numbers, pool.map(partial(watched, options, args.pack, folder), numbers), strict=True))
        first, last, wait_s = answered(seen, folder)
        row = [str(seed), str(len(last))]
        for identities in (None, first, last, owned(seen)):
            score, count = idf1(seen, size, folder, identities)
            row.append(f"{score:.1f} ({count})")
        rows.append([*row, f"{1e3 * wait_s:.0f}"])
        print(" ".join(rows[-1]), flush=True)
    columns = ["seed", "tracklets", "boards alone", "fleet, at once", "fleet, settled", "perfect fleet", "p99 ms"]
    body = (
        f"The built-in scene as a street with {args.cameras} cameras, {args.people} people, {args.seconds:g} s at"
        f" {args.fps:g} frames a second, {args.width} pixels wide, simulated pictures; built-in networks. IDF1 over all"
        " cameras in percent, and in brackets the number of identities. A perfect fleet knows whom each tracklet shows:"
        " what it lacks was lost by detectors and trackers.\n\n" + table(columns, rows)
    )
    seeds = " ".join(map(str, args.seeds))
    write_section(
        "fleet", "A fleet: identities across cameras", body, f"python -m benchmarks.accuracy.fleet --seeds {seeds}",
        ("onnxruntime", "paho-mqtt", "trackeval"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
