"""A daemon with four cameras, a broker, a small disk and all outputs, which fail again and again, for an hour.

    python -m benchmarks.endurance.soak --minutes 60

Needs root (for the small disk), mosquitto, openssl and GStreamer's RTSP server. The evidence is kept in `--keep`, from
which `--again` writes the section anew. Exit code 1 where a promise is broken.
"""

import argparse
import json
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.endurance.faults import all_faults, befall
from benchmarks.endurance.kept import kept_in
from benchmarks.endurance.site import CAMERAS, DISK_MIB, FPS, INPUT_SIZE, UNIT_ENVIRONMENT, Site
from benchmarks.endurance.verdict import Check, Evidence, by_minute, checks
from benchmarks.endurance.witnesses import Line, Reader, sign_of
from benchmarks.field import MOSQUITTO, OPENSSL, SmallDisk, has_gstreamer
from benchmarks.field.schema import mistakes
from benchmarks.results import RESULTS, table, write_section
from edge.sinks.wire import SCHEMA

PICTURE = RESULTS / "soak.svg"
SAMPLE_S = 2.0
SEED = 9


class Watch:
    """Samples a site's vital signs and metrics, and reads its lines before they are removed; a thread of its own."""

    def __init__(self, site: Site, evidence: Evidence, reader: Reader):
        self._site, self._evidence, self._reader = site, evidence, reader
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._sample, self._look)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Sample no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._evidence.signs.append(sign_of(self._site.daemon.process.pid))
            self._reader.read_finished()
            with suppress(OSError):  # rude clients have taken all its places
                self._note(self._site.pages.metrics())

    def _note(self, found: dict[str, float]) -> None:
        keys = {name: f'nanotrack_frames_total{{camera="{name}",outcome="tracked"}}' for name in CAMERAS}
        counts = {name: found[key] for name, key in keys.items() if key in found}
        self._evidence.tracked.append((time.monotonic(), counts))
        self._evidence.counters = found

    def _look(self) -> None:
        """Somebody watches a camera all the time, and comes back when he is put out."""
        while not self._stop.is_set():
            with suppress(OSError), self._site.pages.open("/camera/lobby.mjpeg") as pictures:
                while not self._stop.is_set() and (part := pictures.read(4096)):
                    self._evidence.pictures += part.count(b"\xff\xd9")  # the end of a JPEG
            self._stop.wait(1)


def main() -> None:
    """Soak, judge, and write the section of the results and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=SEED, help="of the faults")
    parser.add_argument("--keep", type=Path, default=Path("out/soak.pickle"), help="where the evidence is kept")
    parser.add_argument("--again", action="store_true", help="judge the evidence that was kept")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    if args.again:
        evidence = pickle.loads(args.keep.read_bytes())
    else:
        evidence = soak(args.minutes, args.seed)
        args.keep.parent.mkdir(parents=True, exist_ok=True)
        args.keep.write_bytes(pickle.dumps(evidence))
    found = checks(evidence)
    text = _text(evidence, found)
    print(text)
    if not args.dry_run:
        command = f"python -m benchmarks.endurance.soak --minutes {args.minutes:g} --seed {args.seed}"
        packages = ("nanotrack-edge", "numpy", "onnxruntime", "opencv-python-headless", "paho-mqtt")
        write_section("soak", "Soak with faults", text, command, packages)
        _draw(evidence)
    sys.exit(not all(check.is_kept for check in found))


def soak(minutes: float, seed: int) -> Evidence:
    """What was seen of a daemon in `minutes` of faults."""
    if MOSQUITTO is None or OPENSSL is None or not has_gstreamer() or not SmallDisk.may_mount():
        sys.exit("the soak needs mosquitto, openssl, GStreamer's RTSP server with its Python bindings, and root")
    schema = json.loads(SCHEMA.read_text())

    def check(line: Line) -> list[str]:
        return mistakes(schema, line)

    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        site = Site(Path(name))
        try:
            evidence = Evidence(
                time.monotonic(), heaps=f"{UNIT_ENVIRONMENT['MALLOC_ARENA_MAX']}, as the service's unit says"
            )
            reader = Reader(site.disk.folder, check)
            watch = Watch(site, evidence, reader)
            for outcome in befall(site, all_faults(), Random(seed), evidence.began_s + 60 * minutes):
                evidence.outcomes.append(outcome)
                print(
                    f"{time.strftime('%T')} {outcome.name}: {_recovery(outcome.over_s, outcome.lifted_s)}", flush=True
                )
            time.sleep(5)
            watch.stop()
            evidence.ended_s = time.monotonic()
            evidence.exit_code, evidence.stop_s, log = site.daemon.stop(signal.SIGTERM)
            time.sleep(1)
            reader.read_rest()
            _testify(evidence, site, reader)
            evidence.kept = kept_in(site.history, site.pictures)
            print("".join(row + "\n" for row in log.splitlines() if "Traceback" in row or "ERROR" in row)[-2000:])
        finally:
            site.close()
    return evidence


def _testify(evidence: Evidence, site: Site, reader: Reader) -> None:
    evidence.written, evidence.torn, evidence.lines = reader.accounts, reader.torn, reader.lines
    evidence.heard, evidence.latencies = site.listener.accounts, site.listener.latencies
    evidence.last_status = site.listener.statuses[-1][1]
    evidence.watchdog_s = [
        at_s for at_s, text in site.manager.heard if text == "WATCHDOG=1" and at_s > evidence.began_s
    ]


def _recovery(over_s: float | None, lifted_s: float) -> str:
    return "never" if over_s is None else f"{over_s - lifted_s:.1f} s"


def _text(evidence: Evidence, found: list[Check]) -> str:
    span_s = evidence.ended_s - evidence.began_s
    cpu = (evidence.signs[-1].cpu_s - evidence.signs[0].cpu_s) / (evidence.signs[-1].at_s - evidence.signs[0].at_s)
    broker = evidence.windows("mqtt")
    taken = [(at_s - latency_s, latency_s) for at_s, _, latency_s in evidence.latencies]
    ms = np.array([1e3 * late_s for at_s, late_s in taken if not any(low <= at_s <= high for low, high in broker)])
    p50, p99, p999 = np.percentile(ms, (50, 99, 99.9))
    medians_ms = by_minute(evidence, 50)[1]
    low, high = medians_ms.min(), medians_ms.max()
    recoveries = defaultdict(list)
    for each in evidence.outcomes:
        recoveries[each.name].append(np.inf if each.over_s is None else each.over_s - each.lifted_s)
    faults = [(name, "", str(len(s)), f"{np.median(s):.1f}", f"{max(s):.1f}") for name, s in sorted(recoveries.items())]
    count = evidence.counters
    dropped = sum(
        value for name, value in count.items() if name.startswith("nanotrack_frames_total") and "dropped" in name
    )
    promises = [(c.promise, "kept" if c.is_kept else "**broken**", c.expected, c.found) for c in found]
    return f"""{span_s / 60:.0f} minutes of `nanotrack serve` with the built-in network ({INPUT_SIZE}, one thread) and
four cameras of {FPS} frames a second: two `demo://`, two RTSP (H.264, from GStreamer's server), with lines and zones.
Outputs: JSON lines, history, snapshots and clips on a file system of {DISK_MIB} MiB, MQTT to mosquitto, the web server
over TLS with a steady viewer ({evidence.pictures} pictures). JSON lines and MQTT are each other's witness: what one
received and the other did not is lost. Both are witnesses of the history, and of the pictures.
{len(evidence.outcomes)} faults, one at a time, seeded. The process used {cpu:.2f} cores; other work ran on the machine.
Heaps of the allocator: {evidence.heaps}.

{_aligned(table(("promise", "", "expected", "found"), promises))}
{table(("fault", "", "times", "recovered after, median s", "longest s"), faults)}
From the capture of a frame to its arrival at an MQTT client, while the broker was there: p50 {p50:.0f} ms,
p99 {p99:.0f} ms, p99.9 {p999:.0f} ms over {len(ms):,} frames; the minutes' medians lie between {low:.0f} and
{high:.0f} ms. {dropped:.0f} frames were replaced by newer ones before they were tracked.

![memory and latency over time](soak.svg)"""


def _aligned(text: str) -> str:
    """Words, not numbers: to the left."""
    return text.replace("--:", "---")


def _draw(evidence: Evidence) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    signs = evidence.signs[:: max(1, len(evidence.signs) // 300)]
    minutes = [(sign.at_s - evidence.began_s) / 60 for sign in signs]
    above.plot(minutes, [sign.rss_mib for sign in signs], color="#d6336c", lw=1.2)
    above.set_ylim(0)
    above.set_title("resident memory, MiB", loc="left", fontsize=10)
    whole, ms = by_minute(evidence, 50, 99)
    for column, label, colour in ((0, "median", "#d6336c"), (1, "p99", "#868e96")):
        below.plot(whole + 0.5, ms[:, column], color=colour, lw=1.4, label=label)
    below.set_yscale("log")  # what waited for a broker that was away is late by seconds
    below.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    below.set_title("from capture to arrival over MQTT, times without a broker included, ms", loc="left", fontsize=10)
    below.set_xlabel("minutes; grey: a fault at work")
    for axes in (above, below):
        for each in evidence.outcomes:
            times = [(s - evidence.began_s) / 60 for s in (each.began_s, each.over_s or evidence.ended_s)]
            axes.axvspan(*times, color="#f1f3f5", lw=0, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    main()
