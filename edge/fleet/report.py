"""What the fleet knows, for people: boards and cameras, who is where, which ways are taken, counts over the site."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

from edge import __version__
from edge.fleet.clocks import Clocks
from edge.fleet.fleet import stamp
from edge.fleet.state import State

# Who was seen within so many seconds is shown with the way that was taken.
RECENT_S = 600.0
PEOPLE, WAY = 200, 8  # as many people, and as many cameras of each, are shown


def present(state: State) -> dict[str, list[dict[str, Any]]]:
    """Who is in each camera now: by BOARD/CAMERA its people, with the board's own ids."""
    query = (
        "SELECT name, person, run, id, first_s FROM cameras c LEFT JOIN tracklets t"
        " ON t.camera = c.number AND NOT t.is_over AND t.person > 0 ORDER BY name, first_s"
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for name, person, run, id_, first_s in state.database.execute(query):
        people = found.setdefault(name, [])
        if person is not None:
            people.append({"global_id": person, "run": run, "id": id_, "since": stamp(first_s)})
    return found


def day(state: State, now_s: float) -> dict[str, Any]:
    """What the page shows of today, which takes a while to count: ways between cameras, different people."""
    names = {number: name for name, number in state.cameras().items()}
    midnight_s = time.mktime((*time.localtime(now_s)[:3], 0, 0, 0, 0, 0, -1))
    return {"ways": _ways(state, names, midnight_s), "today": _today(state, names, midnight_s)}


def report(state: State, states: Mapping[str, str], clocks: Clocks, trouble: str, now_s: float) -> dict[str, Any]:
    """What the page shows of now. `states` are the retained messages of boards by topic below the prefix."""
    names = {number: name for name, number in state.cameras().items()}
    counts = state.counts()
    return {
        "version": __version__,
        "now": stamp(now_s),
        "state": "running" if not trouble else "no broker",
        "trouble": trouble,
        "boards": _boards(present(state), states, clocks),
        "people": _people(state, names, now_s),
        "counts": {name: counts.get(name, 0) for name in ("events", "duplicates", "identities", "revised")},
        "ignored": {name.partition(": ")[2]: n for name, n in counts.items() if name.startswith("ignored: ")},
    }


def _boards(here: Mapping[str, Any], states: Mapping[str, str], clocks: Clocks) -> list[dict[str, Any]]:
    boards: dict[str, set[str]] = {}
    for topic in states:
        board, *rest = topic.split("/")
        boards.setdefault(board, set()).update(rest[:1] if len(rest) > 1 else ())
    for name in here:
        board, _, camera = name.partition("/")
        boards.setdefault(board, set()).add(camera)
    listed = []
    for board, cameras in sorted(boards.items()):
        offset_s = clocks.estimate_s(board)
        listed.append(
            {
                "name": board,
                "state": states.get(f"{board}/status", "unknown"),
                "clock_offset_s": None if offset_s is None else round(offset_s, 2),
                "cameras": [
                    {
                        "name": camera,
                        "state": states.get(f"{board}/{camera}/status", "unknown"),
                        "reason": states.get(f"{board}/{camera}/reason", ""),
                        "people": here.get(f"{board}/{camera}", []),
                    }
                    for camera in sorted(cameras)
                ],
            }
        )
    return listed


def _people(state: State, names: Mapping[int, str], now_s: float) -> list[dict[str, Any]]:
    query = (
        "SELECT person, camera, first_s, last_s, is_over FROM tracklets WHERE person IN (SELECT person FROM"
        " (SELECT person, last_s FROM tracklets WHERE NOT is_over UNION ALL"
        " SELECT person, last_s FROM tracklets WHERE last_s > ?)"
        " WHERE person > 0 GROUP BY person ORDER BY max(last_s) DESC LIMIT ?) ORDER BY first_s"
    )
    people: dict[int, list[tuple[int, float, float, int]]] = {}
    for person, *rest in state.database.execute(query, (now_s - RECENT_S, PEOPLE)):
        people.setdefault(person, []).append((rest[0], rest[1], rest[2], rest[3]))
    listed = [
        {
            "global_id": person,
            "camera": names[seen[-1][0]],
            "is_there": not seen[-1][3],
            "since": stamp(seen[-1][1]),
            "last": stamp(seen[-1][2]),
            "way": [{"camera": names[camera], "first": stamp(first_s)} for camera, first_s, _, _ in seen[-WAY:]],
        }
        for person, seen in people.items()
    ]
    return sorted(listed, key=lambda each: (not each["is_there"], each["camera"], each["global_id"]))


def _ways(state: State, names: Mapping[int, str], since_s: float) -> list[dict[str, Any]]:
    gaps: dict[tuple[int, int], list[float]] = {}
    for way in state.ways(since_s):
        if way.start is not None and way.gap_s is not None and way.start != way.end:
            gaps.setdefault((way.start, way.end), []).append(way.gap_s)
    listed = [
        {
            "start": names[start],
            "end": names[end],
            "count": len(found),
            "median_s": round(statistics.median(found), 1),
            "least_s": round(min(found), 1),
        }
        for (start, end), found in gaps.items()
    ]
    return sorted(listed, key=lambda each: -int(str(each["count"])))


def _today(state: State, names: Mapping[int, str], midnight_s: float) -> dict[str, Any]:
    """Different people since midnight, on the whole site and by camera."""
    query = "SELECT count(DISTINCT person) FROM tracklets WHERE person > 0 AND last_s > ?"
    (people,) = state.database.execute(query, (midnight_s,)).fetchone()
    by_camera = state.database.execute(
        "SELECT camera, count(DISTINCT person) FROM tracklets WHERE person > 0 AND last_s > ? GROUP BY camera",
        (midnight_s,),
    )
    return {"people": people, "by_camera": {names[camera]: count for camera, count in by_camera}}
