"""Whether the fleet would start with a configuration: the one answer for `nanotrack check` and `nanotrack fleet`."""

from collections.abc import Iterator
from pathlib import Path

from edge.fleet.settings import FleetConfig
from edge.fleet.state import check_writable
from edge.service.web.http import checks as web_checks
from edge.settings.survey import Check, Survey, survey
from edge.settings.toml import Reading
from edge.sinks.mqtt import checks as mqtt_checks


def look(reading: Reading[FleetConfig]) -> Survey:
    """All mistakes at once: those of the file, and of everything that it refers to. Nothing is sent or written."""
    return survey(reading, _checks(reading))


def _checks(reading: Reading[FleetConfig]) -> Iterator[Check]:
    """Sections with mistakes are left out."""
    sound = reading.sound
    if mqtt := sound.get("mqtt"):
        yield from mqtt_checks(mqtt, "fleet")
    if state := sound.get("state"):
        yield Check(("state", "path"), "", lambda: check_writable(Path(state.path)))
    if web := sound.get("web"):
        yield from web_checks(web)
