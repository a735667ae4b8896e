"""MQTT discovery: the messages from which Home Assistant makes an entity for each state, without configuration.

Format of https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery: each camera is a device; its connection is a
binary sensor, its counts, zones and lines are sensors, counts and zones are binary sensors of occupancy besides, and
its newest snapshot is an image.
"""

import json
import re
from typing import Any, NamedTuple

from edge import __version__

_PREFIX = "homeassistant"
# The only characters that an id may have there.
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


class Entity(NamedTuple):
    """The message that announces an entity."""

    topic: str
    text: str


def entities_of(prefix: str, topic: str) -> list[Entity]:
    """The entities whose state is on `topic` (below `prefix`); none for a topic that is no state."""
    camera, *rest = topic.split("/")
    return [_entity(prefix, camera, rest, kind, settings) for kind, settings in _described(rest)]


def known_id(name: str) -> str:
    """`name` as Home Assistant takes it for an id; letters of other scripts by their numbers, lest all become one.

    >>> known_id("traffic light"), known_id("vélo")
    ('traffic_light', 'v_e9lo')
    """
    return _FOREIGN.sub(lambda found: "_" if found[0].isascii() else f"_{ord(found[0]):x}", name)


def _entity(prefix: str, camera: str, rest: list[str], kind: str, settings: dict[str, str]) -> Entity:
    device = known_id(f"{prefix}_{camera}")
    id_ = known_id("_".join((device, *rest)))
    if settings.get("device_class") == "occupancy":
        id_ += "_occupancy"
    config: dict[str, Any] = {
        **settings,
        "unique_id": id_,
        "image_topic" if kind == "image" else "state_topic": "/".join((prefix, camera, *rest)),
        "availability_topic": f"{prefix}/status",
        # That status is "stopped" as well, and what is neither available nor unavailable would change nothing.
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "device": {"identifiers": [device], "name": camera, "model": "camera", "manufacturer": "nanotrack-edge"},
        "origin": {"name": "nanotrack-edge", "sw_version": __version__},
    }
    return Entity(f"{_PREFIX}/{kind}/{id_}/config", json.dumps(config))


def _described(rest: list[str]) -> list[tuple[str, dict[str, str]]]:
    """The components and what is special about each, by the topic below the camera."""
    if rest == ["status"]:
        connection = {
            "name": "Connection",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "value_template": "{{ 'ON' if value in ('online', 'degraded') else 'OFF' }}",
        }
        return [("binary_sensor", connection)]
    if rest == ["snapshot"]:
        return [("image", {"name": "Snapshot", "content_type": "image/jpeg"})]
    if rest[0] == "count":
        number = {"name": f"{rest[1]} count", "state_class": "measurement", "icon": "mdi:account-group"}
        return [("sensor", number), ("binary_sensor", _occupancy(rest[1]))]
    if rest[0] == "zone":
        name = " ".join(("Zone", *rest[1:]))
        number = {"name": name, "state_class": "measurement", "icon": "mdi:map-marker-account"}
        return [("sensor", number), ("binary_sensor", _occupancy(name))]
    if rest[0] == "line":
        name = " ".join(("Line", *rest[1:]))
        return [("sensor", {"name": name, "state_class": "total_increasing", "icon": "mdi:swap-horizontal"})]
    return []


def _occupancy(name: str) -> dict[str, str]:
    template = "{{ 'ON' if value | int > 0 else 'OFF' }}"
    return {"name": f"{name} occupancy", "device_class": "occupancy", "value_template": template}
