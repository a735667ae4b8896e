"""Who listens at a port that is in use: a daemon or fleet of ours, or another program."""

import http.client
import ipaddress
import json
import socket
import ssl

from edge.errors import UnavailableError
from edge.settings.config import Web

_PATIENCE_S = 2.0


def check_port(settings: Web) -> None:
    """Raise UnavailableError where another program listens at the port of the pages.

    A running daemon or fleet does not count: it is the one that a new configuration is for.
    """
    address, port = ipaddress.ip_address(settings.address), settings.port
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, port))
            probe.listen()
            return
        except OSError:
            pass  # who has it is the question
    here = ("::1" if address.version == 6 else "127.0.0.1") if address.is_unspecified else settings.address
    if not any(_is_ours(here, port, has_tls) for has_tls in {settings.certificate is not None, False}):
        raise UnavailableError(
            f"cannot listen on {settings.address} port {port}: another program does; choose another port, or stop it"
        )


def _is_ours(host: str, port: int, has_tls: bool) -> bool:
    """Whether the answer to /healthz is that of a daemon or a fleet, or its request for a login."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_PATIENCE_S, context=context)
        if has_tls
        else http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    )
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if 'realm="nanotrack"' in answer.headers.get("WWW-Authenticate", ""):
            return True
        report = json.loads(answer.read(1 << 16))
        return isinstance(report, dict) and "state" in report and ("cameras" in report or "trouble" in report)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
