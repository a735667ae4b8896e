"""A daemon with all its outputs that is killed (SIGKILL) again and again, and what its history still knows.

    python -m benchmarks.endurance.kills --times 50

Needs mosquitto. A client of the broker is the witness. Exit code 1 where a count or a picture is lost or damaged.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.endurance.kept import Crossing, Kept, kept_in
from benchmarks.endurance.site import INPUT_SIZE, UNIT_ENVIRONMENT, make_pack, write_config
from benchmarks.endurance.witnesses import Listener
from benchmarks.field import MOSQUITTO, Broker, Manager, Served, free_port
from benchmarks.results import table, write_section

SEED = 5
# So long a daemon lives, seconds after it is ready.
LIFE_S = (0.0, 20.0)
# A count of this age is never lost.
AGE_S = 1.0
_START_S = 600.0
_HEAR_S = 1.0  # until the broker has passed on what it has
_PEOPLE, _FPS = 12, 8


@dataclass
class Life:
    """What came of a daemon from its start to its death.

    Of the crossings that the witness heard `young` were younger than `AGE_S` at its death; the history counted
    `counted`, and misses `lost` of the older ones. `goes_on` tells whether the first counts went on from those before.
    """

    lasted_s: float
    young: int
    counted: int
    lost: int
    goes_on: bool
    soundness: str


def main() -> None:
    """Kill, judge, and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED, help="of the moments")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    if MOSQUITTO is None:
        sys.exit("it needs mosquitto")
    lives, kept = kills(args.times, Random(args.seed))
    text = _text(lives, kept)
    print(text)
    if not args.dry_run:
        command = f"python -m benchmarks.endurance.kills --times {args.times} --seed {args.seed}"
        write_section("kills", "A daemon that is killed", text, command, ("numpy", "onnxruntime", "paho-mqtt"))
    sys.exit(not _is_good(lives, kept))


def kills(times: int, random: Random) -> tuple[list[Life], Kept]:
    """The lives of a daemon that was killed so often, and what is on its disk after a last one that ended well."""
    lives = []
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        history, pictures = folder / "history.db", folder / "pictures"
        broker = Broker(folder)
        listener = Listener(broker.port)
        manager = Manager(folder / "notify")
        try:
            config = _configured(folder, history, pictures, broker.port)
            for number in range(times):
                life = _live(config, manager, listener, history, random)
                lives.append(life)
                print(
                    f"{time.strftime('%T')} {number + 1} of {times}: killed after {life.lasted_s:.1f} s,"
                    f" {life.counted} crossings counted, {life.lost} lost, database {life.soundness}",
                    flush=True,
                )
            served = Served(config, manager, **UNIT_ENVIRONMENT)
            served.hear("READY=1", _START_S)
            assert served.stop()[0] == 0
            kept = kept_in(history, pictures)
        finally:
            manager.close()
            listener.close()
            broker.kill()
    return lives, kept


def _configured(folder: Path, history: Path, pictures: Path, port: int) -> Path:
    """Everything is on, and people cross three lines of two cameras all the time."""
    lines = [{"name": f"gate{i}", "points": [[x, 0.0], [x, 1.0]]} for i, x in enumerate((0.3, 0.5, 0.7))]
    zone = {"name": "till", "points": [[0.2, 0.4], [0.8, 0.4], [0.8, 1.0], [0.2, 1.0]], "stay_s": 1.0}
    source = f"demo://?people={_PEOPLE}&size=320x180&fps={_FPS}"
    places = {"folder": str(pictures), "free_mib": 0}
    path = folder / "nanotrack.toml"
    write_config(
        path,
        [
            {"name": f"street{seed}", "source": f"{source}&seed={seed}", "line": lines, "zone": [zone]}
            for seed in (1, 2)
        ],
        model={"pack": str(make_pack(folder, INPUT_SIZE)), "threads": 1, "backend": "onnxruntime"},
        jsonl={"folder": str(folder), "free_mib": 0},
        history={"path": str(history)},
        snapshots={**places, "on": ["line", "stay"]},
        clips={**places, "on": ["stay"], "before_s": 1.0, "after_s": 1.0},
        mqtt={"host": "127.0.0.1", "port": port, "home_assistant": True},
        web={"port": free_port()},
    )
    return path


def _live(config: Path, manager: Manager, listener: Listener, history: Path, random: Random) -> Life:
    """Start the daemon, kill it, and compare."""
    before = kept_in(history).totals if history.exists() else Counter[Crossing]()
    known = set(listener.accounts)
    served = Served(config, manager, **UNIT_ENVIRONMENT)
    served.hear("READY=1", _START_S)
    lasted_s = random.uniform(*LIFE_S)
    time.sleep(lasted_s)
    killed_s = time.monotonic()
    served.kill()
    time.sleep(_HEAR_S)
    after = kept_in(history)
    old: Counter[Crossing] = Counter()
    young, first = 0, dict[Crossing, int]()
    for run in set(listener.accounts) - known:
        account = listener.accounts[run]
        for (line, way, _, at_s), total in account.crossings.items():
            key = account.camera, line, way
            first[key] = min(total, first.get(key, total))
            old[key] += at_s < killed_s - AGE_S
            young += at_s >= killed_s - AGE_S
    counted = after.totals - before
    goes_on = all(total == before[key] + 1 for key, total in first.items()) and after.totals == after.by_minute
    return Life(lasted_s, young, counted.total(), (old - counted).total(), goes_on, after.soundness)


def _is_good(lives: list[Life], kept: Kept) -> bool:
    sound = all(life.soundness == "ok" and life.goes_on and not life.lost for life in lives)
    return sound and kept.soundness == "ok" and not kept.broken and not kept.rest


def _text(lives: list[Life], kept: Kept) -> str:
    rows = [
        ("killed", str(len(lives))),
        ("seconds from ready to the death, least, median and most", _spread([life.lasted_s for life in lives])),
        ("crossings in the history", str(kept.totals.total())),
        (f"crossings lost that were older than {AGE_S:g} s", str(sum(life.lost for life in lives))),
        (f"crossings heard that were younger than {AGE_S:g} s at a death", str(sum(life.young for life in lives))),
        ("starts whose counts did not go on from the last", str(sum(not life.goes_on for life in lives))),
        ("databases not sound (PRAGMA integrity_check)", str(sum(life.soundness != "ok" for life in lives))),
        ("snapshots and clips, whole", str(len(kept.pictures) - len(kept.broken))),
        ("snapshots, clips and parts of them that are not", str(len(kept.broken) + len(kept.rest))),
    ]
    return f"""`nanotrack serve` with the built-in network ({INPUT_SIZE}), two scenes of {_PEOPLE} people with three
lines each, history, snapshots, clips, JSON lines, MQTT and the page; killed at random moments and started again. A
client of the broker is the witness.

{table(("what", "measured"), rows)}"""


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:.1f}, {ordered[len(ordered) // 2]:.1f}, {ordered[-1]:.1f}"


if __name__ == "__main__":
    main()
