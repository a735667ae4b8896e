"""What Home Assistant takes: topics and keys as its documentation and its validation have them."""

import json
import re
from typing import Any

import pytest

from edge.sinks.discovery import Entity, entities_of

# The topics it listens to (TOPIC_MATCHER of its mqtt integration), below the prefix.
TOPIC = re.compile(r"homeassistant/(binary_sensor|sensor|image)/([a-zA-Z0-9_-]+)/config")
# What its schemas know of these keys: an unknown one in `device` or `origin` makes it refuse the message.
ENTITY = {
    "name",
    "unique_id",
    "device_class",
    "entity_category",
    "icon",
    "value_template",
    "state_topic",
    "state_class",
}
ENTITY |= {"image_topic", "content_type", "availability_topic", "availability_template", "device", "origin"}
DEVICE = {"identifiers", "name", "model", "manufacturer"}
ORIGIN = {"name", "sw_version"}


def announced(topic: str, prefix: str = "site/a") -> tuple[str, str, dict[str, Any]]:
    """Component, id and settings of the first entity."""
    return read(entities_of(prefix, topic)[0])


def read(entity: Entity) -> tuple[str, str, dict[str, Any]]:
    found = TOPIC.fullmatch(entity.topic)
    assert found is not None, entity.topic
    settings = json.loads(entity.text)
    assert set(settings) <= ENTITY
    assert set(settings["device"]) <= DEVICE
    assert set(settings["origin"]) <= ORIGIN
    assert settings["device"]["identifiers"]
    assert settings["unique_id"] == found[2]
    return found[1], found[2], settings


@pytest.mark.parametrize(
    ("topic", "component", "id_", "name", "state_class"),
    [
        ("door/status", "binary_sensor", "site_a_door_status", "Connection", None),
        ("door/count/person", "sensor", "site_a_door_count_person", "person count", "measurement"),
        ("door/count/traffic light", "sensor", "site_a_door_count_traffic_light", "traffic light count", "measurement"),
        ("door/zone/till", "sensor", "site_a_door_zone_till", "Zone till", "measurement"),
        ("door/line/way/in", "sensor", "site_a_door_line_way_in", "Line way in", "total_increasing"),
        ("door/zone/till/car", "sensor", "site_a_door_zone_till_car", "Zone till car", "measurement"),
        ("door/line/way/in/car", "sensor", "site_a_door_line_way_in_car", "Line way in car", "total_increasing"),
    ],
)
def test_a_state_is_an_entity(topic: str, component: str, id_: str, name: str, state_class: str | None) -> None:
    found, found_id, settings = announced(topic)
    assert (found, found_id, settings["name"], settings.get("state_class")) == (component, id_, name, state_class)
    assert settings["state_topic"] == f"site/a/{topic}"
    assert settings["availability_topic"] == "site/a/status"


def test_what_is_no_state_is_no_entity() -> None:
    assert entities_of("nanotrack", "door/reason") == []


@pytest.mark.parametrize("topic", ["door/count/person", "door/zone/till"])
def test_a_count_tells_occupancy_too(topic: str) -> None:
    (_, number_id, number), (component, id_, occupancy) = map(read, entities_of("site/a", topic))
    assert (component, id_) == ("binary_sensor", f"{number_id}_occupancy")
    assert occupancy["device_class"] == "occupancy"
    assert occupancy["state_topic"] == number["state_topic"]
    assert occupancy["device"] == number["device"]


def test_the_snapshot_is_an_image() -> None:
    component, id_, settings = announced("door/snapshot")
    assert (component, id_, settings["image_topic"]) == ("image", "site_a_door_snapshot", "site/a/door/snapshot")
    assert (settings["content_type"], "state_topic" in settings) == ("image/jpeg", False)


def test_entities_of_a_camera_are_one_device_and_those_of_two_are_two() -> None:
    devices = [announced(topic)[2]["device"]["identifiers"] for topic in ("a/status", "a/zone/x", "b/status")]
    assert devices[0] == devices[1] != devices[2]


def test_classes_in_any_script_are_entities_of_their_own() -> None:
    ids = {announced(f"door/count/{name}")[1] for name in ("人", "车", "vélo", "vêlo")}
    assert len(ids) == 4


def test_every_status_makes_it_connected_or_not() -> None:
    template = announced("door/status")[2]["value_template"]
    said = re.fullmatch(r"{{ 'ON' if value in (\(.*\)) else 'OFF' }}", template)
    assert said is not None
    assert said[1] == "('online', 'degraded')"
