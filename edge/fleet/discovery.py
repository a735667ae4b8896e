"""MQTT discovery of Home Assistant for the fleet: people on the site, and of each camera how many and who.

Format of https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.
"""

import json
from typing import Any

from edge import __version__
from edge.sinks.discovery import Entity, known_id


def site(prefix: str) -> Entity:
    """The sensor of how many people are on the site."""
    return _sensor(prefix, "people", "People", f"{prefix}/fleet/people", {"icon": "mdi:account-group"})


def camera(prefix: str, name: str) -> Entity:
    """The sensor of how many people are in camera `name`, BOARD/CAMERA; its attributes tell who."""
    topic = f"{prefix}/fleet/{name}/people"
    more = {
        "value_template": "{{ value_json.count }}",
        "json_attributes_topic": topic,
        "json_attributes_template": "{{ {'people': value_json.people} | tojson }}",
        "icon": "mdi:account-search",
    }
    return _sensor(prefix, name, f"{name} people", topic, more)


def _sensor(prefix: str, key: str, name: str, topic: str, more: dict[str, Any]) -> Entity:
    device = known_id(f"{prefix}_fleet")
    id_ = f"{device}_{known_id(key)}"
    config = {
        "name": name,
        "state_class": "measurement",
        **more,
        "unique_id": id_,
        "state_topic": topic,
        "availability_topic": f"{prefix}/fleet/status",
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "device": {"identifiers": [device], "name": "Fleet", "model": "fleet", "manufacturer": "nanotrack-edge"},
        "origin": {"name": "nanotrack-edge", "sw_version": __version__},
    }
    return Entity(f"homeassistant/sensor/{id_}/config", json.dumps(config))
