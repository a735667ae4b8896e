"""What the evidence of a soak says: every promise with what was expected and what was found."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.endurance.faults import Outcome
from benchmarks.endurance.kept import Crossing, Kept
from benchmarks.endurance.site import CAMERAS
from benchmarks.endurance.witnesses import Account, Sign
from edge.service.pictures import LONGEST_CLIP_S

Values = npt.NDArray[np.float64]

# The first part of a soak fills caches and allocator arenas and is left out of the slopes.
WARM_UP_SHARE = 0.2
# Around a fault, beside what was on its way when it began: an output that broke is asked again after a second.
MARGIN_S = 1.5
# Where no fault is, a camera's frames come at least so often: it would count as lost after `stall_s`.
LONGEST_PAUSE_S = 5.0
# WatchdogSec= of edge/deploy/nanotrack.service.
WATCHDOG_S = 20.0
_RELOADED = "street"


@dataclass
class Evidence:
    """All that was seen of a daemon from `began_s` to `ended_s`. `tracked` are (time, frames tracked by camera)."""

    began_s: float
    ended_s: float = 0.0
    signs: list[Sign] = field(default_factory=list)
    tracked: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    counters: dict[str, float] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    written: Mapping[str, Account] = field(default_factory=dict)
    torn: Sequence[str] = ()
    lines: int = 0
    heard: Mapping[str, Account] = field(default_factory=dict)
    latencies: Sequence[tuple[float, str, float]] = ()
    watchdog_s: Sequence[float] = ()
    exit_code: int = 0
    stop_s: float = 0.0
    last_status: str = ""
    pictures: int = 0
    heaps: str = "as many as glibc makes"
    kept: Kept = field(default_factory=Kept)

    def windows(self, *victims: str, before_s: float = 0.0) -> list[tuple[float, float]]:
        """Between which capture times a fault of one of those took its toll; one that never ended lasts to the end.

        It is also felt by what takes `before_s`.
        """
        return [
            (each.began_s - self._way_s(each.began_s) - MARGIN_S - before_s, (each.over_s or self.ended_s) + MARGIN_S)
            for each in self.outcomes
            if each.victim in victims
        ]

    def _way_s(self, at_s: float) -> float:
        """For how long frames had been on their way that arrived just before `at_s`."""
        return max((s for came_s, _, s in self.latencies if at_s - 10 <= came_s <= at_s), default=0.0)


@dataclass(frozen=True)
class Check:
    """A promise, what was expected and found, and whether it was kept."""

    promise: str
    expected: str
    found: str
    is_kept: bool


def checks(evidence: Evidence) -> list[Check]:
    """Every promise."""
    return [*_vital(evidence), *_outputs(evidence), *_identities(evidence), *_history(evidence), *_course(evidence)]


def slope(times: Values, values: Values) -> float:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968): a few outliers do not move it."""
    i, j = np.triu_indices(len(times), 1)
    return float(np.median((values[j] - values[i]) / (times[j] - times[i])))


def by_minute(evidence: Evidence, *percentiles: float) -> tuple[Values, Values]:
    """Minutes since the beginning `[N]`, and the percentiles of latency in each, milliseconds `[N, P]`."""
    rows = defaultdict(list)
    for at_s, _, latency_s in evidence.latencies:
        rows[int((at_s - evidence.began_s) / 60)].append(1e3 * latency_s)
    whole = [minute for minute, values in sorted(rows.items()) if len(values) > 100]
    return np.array(whole, float), np.array([np.percentile(rows[minute], percentiles) for minute in whole])


def memory(evidence: Evidence) -> tuple[Values, Values]:
    """Hours since the beginning and MiB resident, a sample of at most a thousand after the warm-up."""
    first_s = evidence.began_s + WARM_UP_SHARE * (evidence.ended_s - evidence.began_s)
    late = [sign for sign in evidence.signs if sign.at_s >= first_s]
    kept = late[:: max(1, len(late) // 1000)]
    return np.array([(s.at_s - evidence.began_s) / 3600 for s in kept]), np.array([s.rss_mib for s in kept])


def _vital(evidence: Evidence) -> list[Check]:
    hours, mib = memory(evidence)
    span = hours[-1] - hours[0]
    growth = slope(hours, mib) * span
    minutes, ms = by_minute(evidence, 50)
    late = minutes >= WARM_UP_SHARE * minutes[-1]
    drift = slope(minutes[late], ms[late, 0]) * np.ptp(minutes[late])
    middle = float(np.median(ms[late, 0]))
    settled = [s for s in evidence.signs if s.at_s - evidence.began_s > 60]
    start, end = settled[: len(settled) // 5], settled[-len(settled) // 5 :]
    threads, files = (
        [np.median([getattr(s, name) for s in part]) for part in (start, end)] for name in ("threads", "files")
    )
    limit = 0.02 * float(np.median(mib))
    return [
        Check(
            "memory is flat",
            f"grows by less than 2 % ({limit:.1f} MiB)",
            f"{growth:+.2f} MiB in {60 * span:.0f} min, {np.median(mib):.0f} MiB resident",
            growth < limit,
        ),
        Check(
            "latency is flat",
            f"median grows by less than half ({middle / 2:.0f} ms)",
            f"{drift:+.1f} ms in {np.ptp(minutes[late]):.0f} min, median {middle:.0f} ms",
            bool(drift < middle / 2),
        ),
        Check(
            "threads and open files come back",
            "as many in the last fifth as in the first (+ 3)",
            f"threads {threads[0]:.0f} to {threads[1]:.0f}, files {files[0]:.0f} to {files[1]:.0f}",
            bool(threads[1] <= threads[0] + 3 and files[1] <= files[0] + 3),
        ),
    ]


def _outputs(evidence: Evidence) -> list[Check]:
    disk, broker = evidence.windows("jsonl"), evidence.windows("mqtt")
    seen = {run: {**_frames(evidence.written, run), **_frames(evidence.heard, run)} for run in _runs(evidence)}
    unwritten = [
        t for run, frames in seen.items() for n, t in frames.items() if n not in _frames(evidence.written, run)
    ]
    unheard = [t for run, frames in seen.items() for n, t in frames.items() if n not in _frames(evidence.heard, run)]
    is_in_order = all(account.is_in_order for account in (*evidence.written.values(), *evidence.heard.values()))
    return [
        Check(
            "every line is whole and fits the schema",
            "0 others",
            f"{len(evidence.torn)} of {evidence.lines}",
            not evidence.torn,
        ),
        Check("frames come in order, none twice", "always", "always" if is_in_order else "not", is_in_order),
        _lost("no frame is lost on disk except while it is full", unwritten, disk),
        _lost("no frame is lost over MQTT except while the broker is away", unheard, broker),
        _unaccounted(evidence, seen),
    ]


def _lost(promise: str, times_s: Iterable[float], windows: Sequence[tuple[float, float]]) -> Check:
    inside = [any(low <= t <= high for low, high in windows) for t in times_s]
    return Check(promise, "0 outside", f"{inside.count(False)} outside, {inside.count(True)} inside", all(inside))


def _unaccounted(evidence: Evidence, seen: Mapping[str, Mapping[int, float]]) -> Check:
    """Frames that the daemon says it tracked, and neither witness saw."""
    cameras = {run: account.camera for run, account in (*evidence.written.items(), *evidence.heard.items())}
    times: dict[str, list[float]] = defaultdict(list)
    for run, frames in seen.items():
        times[cameras[run]] += frames.values()
    missing, total = 0.0, 0.0
    for camera, taken in times.items():
        taken_s, counted, before = np.sort(taken), 0.0, 0.0
        for at_s, tracked in evidence.tracked:
            now = tracked.get(camera, before)
            counted += now - before if now >= before else now  # a camera that was reloaded counts anew
            before = now
            missing = max(missing, counted - np.searchsorted(taken_s, at_s, "right"))
        total += counted
    return Check("every frame that was tracked is seen", "0 missing", f"{missing:.0f} of {total:.0f}", missing <= 0)


def _identities(evidence: Evidence) -> list[Check]:
    heard = evidence.heard.values()
    born = sum(len(account.born_s) for account in heard)
    unpaired = sum(len(a.born_s.keys() ^ a.ended_s.keys()) + len(a.shown - a.born_s.keys()) for a in heard)
    twice = sum(account.repeated for account in heard)
    unwritten = [
        at_s
        for run, account in evidence.heard.items()
        for id_, at_s in account.ended_s.items()
        if run not in evidence.written or id_ not in evidence.written[run].ended_s
    ]
    runs = [account.camera for account in evidence.written.values() if account.camera != _RELOADED]
    return [
        Check(
            "MQTT: every identity has its start and its end",
            "0 without",
            f"{unpaired} of {born}; {twice} events came twice (QoS 1)",
            not unpaired,
        ),
        _lost("no end of an identity is lost on disk except while it is full", unwritten, evidence.windows("jsonl")),
        Check(
            "cameras that were not reconfigured keep their identities",
            "1 run each",
            f"{len(runs)} runs of {len(set(runs))} cameras",
            len(runs) == len(set(runs)),
        ),
    ]


def _history(evidence: Evidence) -> list[Check]:
    kept = evidence.kept
    accounts = (*evidence.written.items(), *evidence.heard.items())
    crossings = {(a.camera, run, *crossing): total for run, a in accounts for crossing, total in a.crossings.items()}
    seen: Counter[Crossing] = Counter((camera, line, way) for camera, _, line, way, *_ in crossings)
    told = dict.fromkeys(seen, 0)
    for (camera, _, line, way, *_), total in crossings.items():
        told[camera, line, way] = max(told[camera, line, way], total)
    named = {name: at_s for _, account in accounts for name, at_s in account.named.items()}
    written = {name for _, account in accounts for name in account.told}
    lost = [at_s for name, at_s in named.items() if name not in written]
    return [
        Check(
            "the history's database is sound",
            "ok",
            f"{kept.soundness}, {sum(kept.totals.values())} crossings",
            kept.soundness == "ok",
        ),
        Check(
            "the history has every crossing once, by minutes and in all",
            f"{sum(seen.values())}, as JSON lines and MQTT together",
            f"{sum(kept.by_minute.values())} and {sum(kept.totals.values())}",
            kept.by_minute == kept.totals == seen,
        ),
        Check(
            "the counts in events go on through reloads",
            "the last is that of the history",
            "so" if told == dict(kept.totals) else "not so",
            told == dict(kept.totals),
        ),
        _lost(
            "no snapshot or clip that an event names is lost except while the disk is full",
            lost,
            evidence.windows("jsonl", before_s=LONGEST_CLIP_S),
        ),
        Check(
            "every picture on the disk is whole and was told of, and nothing else is there",
            "0 others",
            f"{len(kept.broken) + len(kept.pictures - written) + len(kept.rest)} of {len(kept.pictures)}"
            f" ({len(written)} were written)",
            not kept.broken and kept.pictures <= written and not kept.rest,
        ),
    ]


def _course(evidence: Evidence) -> list[Check]:
    lasting = [each.name for each in evidence.outcomes if each.over_s is None]
    pauses = [_longest_pause(evidence, camera) for camera in CAMERAS]
    fed = np.diff([evidence.began_s, *evidence.watchdog_s, evidence.ended_s])
    return [
        Check(
            "every fault is recovered from",
            "all",
            f"{len(evidence.outcomes) - len(lasting)} of {len(evidence.outcomes)}",
            not lasting,
        ),
        Check(
            "a camera's fault stops no other",
            f"frames at least every {LONGEST_PAUSE_S:g} s",
            f"longest pause {max(pauses):.2f} s",
            max(pauses) < LONGEST_PAUSE_S,
        ),
        Check(
            "the watchdog is fed",
            f"within the service's {WATCHDOG_S:g} s",
            f"longest pause {fed.max():.1f} s",
            bool(fed.max() < WATCHDOG_S),
        ),
        Check(
            "a stop is clean and quick",
            "exit code 0 in 10 s, told",
            f"exit code {evidence.exit_code} in {evidence.stop_s:.1f} s, {evidence.last_status}",
            evidence.exit_code == 0 and evidence.stop_s < 10 and evidence.last_status == "stopped",
        ),
    ]


def _longest_pause(evidence: Evidence, camera: str) -> float:
    """Seconds without a frame of `camera` while it had no fault of its own and was not reconfigured."""
    times = sorted(
        {
            t
            for run in _runs(evidence)
            for a in (evidence.written.get(run), evidence.heard.get(run))
            if a and a.camera == camera
            for t in a.frames_s.values()
        }
    )
    own = evidence.windows(camera)
    return max(
        (b - a for a, b in itertools.pairwise(times) if not any(a < high and b > low for low, high in own)),
        default=0.0,
    )


def _runs(evidence: Evidence) -> list[str]:
    return sorted({*evidence.written, *evidence.heard})


def _frames(accounts: Mapping[str, Account], run: str) -> Mapping[int, float]:
    account = accounts.get(run)
    return account.frames_s if account else {}
