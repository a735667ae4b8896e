"""The topics of retained states, below the prefix, and what they say before anything has happened."""

import re
from collections import Counter
from urllib.parse import quote

from edge.events import Direction, LineCrossed, ZoneChanged
from edge.sinks.hooks import CameraStates

_SPECIAL = re.compile("[+#/%\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def topic_level(name: str) -> str:
    """`name` as one level of a topic: what has a meaning there (+ # /), control characters and % are %-encoded.

    >>> topic_level("person #1")
    'person %231'
    """
    return _SPECIAL.sub(lambda found: quote(found[0], safe="", errors="replace"), name) or "%"


def first_states(camera: CameraStates) -> dict[str, str]:
    """Every state that a camera has, by topic, as far as it is known: the rest is 0 or empty.

    Zones and lines have a state for each class where several classes are followed.
    """
    states = {f"{camera.name}/status": camera.state, f"{camera.name}/reason": ""}
    states |= {count_topic(camera.name, class_): "0" for class_ in camera.classes}
    people: Counter[str] = Counter()
    for (zone, class_), count in camera.zones.items():
        people[zone_topic(camera.name, zone)] += count
        if len(camera.classes) > 1:
            people[zone_topic(camera.name, zone, class_)] += count
    for (line, direction, class_), count in camera.lines.items():
        people[line_topic(camera.name, line, direction)] += count
        if len(camera.classes) > 1:
            people[line_topic(camera.name, line, direction, class_)] += count
    return states | {topic: str(count) for topic, count in people.items()}


def changed_states(event: ZoneChanged | LineCrossed) -> dict[str, str]:
    """The states that `event` changes, by topic."""
    camera, class_ = event.origin.camera, event.class_name
    if isinstance(event, ZoneChanged):
        counts = {zone_topic(camera, event.zone): event.count}
        of_class = {zone_topic(camera, event.zone, class_): event.class_count}
    else:
        line = event.line
        counts = {line_topic(camera, line, "in"): event.total_in, line_topic(camera, line, "out"): event.total_out}
        of_class = {
            line_topic(camera, line, "in", class_): event.class_in,
            line_topic(camera, line, "out", class_): event.class_out,
        }
    return {topic: str(count) for topic, count in (counts | (of_class if class_ else {})).items()}


def count_topic(camera: str, class_: str) -> str:
    """How many tracks of a class are shown now."""
    return f"{camera}/count/{topic_level(class_)}"


def zone_topic(camera: str, zone: str, class_: str | None = None) -> str:
    """How many are in a zone now, of all classes or of one."""
    return f"{camera}/zone/{zone}" + ("" if class_ is None else f"/{topic_level(class_)}")


def line_topic(camera: str, line: str, direction: Direction, class_: str | None = None) -> str:
    """How many crossed a line, of all classes or of one."""
    return f"{camera}/line/{line}/{direction}" + ("" if class_ is None else f"/{topic_level(class_)}")


def snapshot_topic(camera: str) -> str:
    """The newest snapshot, as JPEG."""
    return f"{camera}/snapshot"
