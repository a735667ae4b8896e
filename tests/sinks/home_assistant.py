"""Home Assistant itself, told to listen to a broker and asked over its REST API.

`NANOTRACK_HASS` names its program `hass`, which usually lives in an environment of its own: pip install homeassistant,
and the requirements in its `manifest.json` files of frontend and mqtt, of what these depend on, and of recorder. That
of Python 3.11 also wants 'josepy<2', which it does not say.
"""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.field import PATIENCE_S, free_port, wait_for

PROGRAM = os.environ.get("NANOTRACK_HASS") or shutil.which("hass")
needs_home_assistant = pytest.mark.skipif(PROGRAM is None, reason="Home Assistant is not installed; see this module")
_CLIENT = "http://127.0.0.1/"
_OWNER = {"client_id": _CLIENT, "name": "T", "username": "t", "password": "t", "language": "en"}


class HomeAssistant:
    """Home Assistant with its settings in `folder`, connected to the broker on `broker_port`."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        port = free_port()
        self._address, self._headers = f"http://127.0.0.1:{port}", dict[str, str]()
        folder.mkdir()
        (folder / "configuration.yaml").write_text(
            f"homeassistant:\n  name: Test\nhttp:\n  server_host: 127.0.0.1\n  server_port: {port}\n"
            "api:\nonboarding:\nconfig:\n"
        )
        self._process = subprocess.Popen(
            [str(PROGRAM), "-c", str(folder), "--skip-pip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._log_in()
            self._connect(broker_port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def entities(self, device: str) -> dict[str, str]:
        """The state of every entity of a device, by its id."""
        states = {each["entity_id"]: each["state"] for each in json.loads(self.ask("/api/states"))}
        return {id_: state for id_, state in states.items() if id_.partition(".")[2].startswith(f"{device}_")}

    def render(self, template: str) -> str:
        """What a template comes to."""
        return self.ask("/api/template", {"template": template}).decode()

    def ask(self, path: str, data: Any = None, *, form: bool = False) -> bytes:
        body = None if data is None else urllib.parse.urlencode(data) if form else json.dumps(data)
        headers = {**self._headers, **({} if form else {"Content-Type": "application/json"})}
        request = urllib.request.Request(self._address + path, body.encode() if body else None, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            found: bytes = answer.read()
        return found

    def _answers(self) -> bool:
        assert self._process.poll() is None, "Home Assistant ended"
        try:
            return bool(self.ask("/api/onboarding"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def _log_in(self) -> None:
        """As the first user, its owner."""
        wait_for(self._answers, "Home Assistant does not answer")
        code = json.loads(self.ask("/api/onboarding/users", _OWNER))["auth_code"]
        asked = {"grant_type": "authorization_code", "code": code, "client_id": _CLIENT}
        token = json.loads(self.ask("/auth/token", asked, form=True))["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def _connect(self, broker_port: int) -> None:
        """Set up the MQTT integration, as its dialogue does."""
        flow = json.loads(self.ask("/api/config/config_entries/flow", {"handler": "mqtt"}))
        broker = {"broker": "127.0.0.1", "port": broker_port}
        done = json.loads(self.ask(f"/api/config/config_entries/flow/{flow['flow_id']}", broker))
        assert done["type"] == "create_entry", done
