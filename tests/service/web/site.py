"""A daemon that goes round in a thread of its own, with its web server, as `nanotrack serve` would run it."""

import base64
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

from edge.service.daemon import Daemon
from edge.service.web.editor import Editor
from edge.settings import config
from tests.field import PATIENCE_S


class Client:
    """Asks the pages at `address`. `login` is user:password."""

    def __init__(self, address: str, login: str = "") -> None:
        self.address = address
        self.login = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.address + path, headers=self.login)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.read()

    def post(self, path: str, data: object, **headers: str) -> tuple[int, Any]:
        """The status and what came back."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, body, self.login | named, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text.startswith(b"{") else text.decode()

    def status(self) -> Any:
        return json.loads(self.get("/status.json"))


class Site(Client):
    """The daemon of the configuration `path` and a client of it; what the page writes into the file is taken over."""

    def __init__(self, path: Path, login: str = "") -> None:
        self._reload = threading.Event()
        self.daemon = Daemon(config.load(path), editor=Editor(path, self._reload.set))
        assert self.daemon.port is not None
        self.port = self.daemon.port
        super().__init__(f"http://127.0.0.1:{self.port}", login)
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ask_for_reload(self) -> None:
        """As SIGHUP does."""
        self._reload.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.daemon.close()

    def stream(self, name: str) -> Any:
        return next(stream for stream in self.daemon.streams if stream.origin.camera == name)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._reload.is_set():
                self._reload.clear()
                self.daemon.reload(config.load(self._path))
            self.daemon.cycle()
