"""MQTT discovery: the messages from which Home Assistant makes an entity for each state, without configuration.

Format of https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery: each camera is a device; its connection is a
binary sensor, its counts, zones and lines are sensors.
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


def entity_of(prefix: str, topic: str) -> Entity | None:
    """The entity whose state is on `topic` (below `prefix`); None for a topic that is no state."""
    camera, *rest = topic.split("/")
    described = _described(rest)
    if described is None:
        return None
    kind, settings = described
    device = _FOREIGN.sub("_", f"{prefix}_{camera}")
    id_ = _FOREIGN.sub("_", "_".join((device, *rest)))
    config: dict[str, Any] = {
        **settings,
        "unique_id": id_,
        "state_topic": f"{prefix}/{topic}",
        "availability_topic": f"{prefix}/status",
        # That status is "stopped" as well, and what is neither available nor unavailable would change nothing.
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "device": {"identifiers": [device], "name": camera, "model": "camera", "manufacturer": "nanotrack-edge"},
        "origin": {"name": "nanotrack-edge", "sw_version": __version__},
    }
    return Entity(f"{_PREFIX}/{kind}/{id_}/config", json.dumps(config))


def _described(rest: list[str]) -> tuple[str, dict[str, str]] | None:
    """The component and what is special about it, by the topic below the camera."""
    if rest == ["status"]:
        return "binary_sensor", {
            "name": "Connection",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "value_template": "{{ 'ON' if value in ('online', 'degraded') else 'OFF' }}",
        }
    if rest[0] == "count":
        return "sensor", {"name": f"{rest[1]} count", "state_class": "measurement", "icon": "mdi:account-group"}
    if rest[0] == "zone":
        return "sensor", {"name": f"Zone {rest[1]}", "state_class": "measurement", "icon": "mdi:map-marker-account"}
    if rest[0] == "line":
        name = f"Line {rest[1]} {rest[2]}"
        return "sensor", {"name": name, "state_class": "total_increasing", "icon": "mdi:swap-horizontal"}
    return None
