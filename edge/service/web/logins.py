"""User and password of the pages (HTTP Basic, RFC 7617), and what becomes of those who guess them."""

import base64
import hmac
import ipaddress
import logging
import time
from collections.abc import Callable

from edge.console.outgoing import printable

logger = logging.getLogger(__name__)

FREE = 5  # mistakes that cost nothing: a person mistypes
LONGEST_S = 60.0
_FORGOTTEN_S = 600.0
_REMEMBERED = 1024  # addresses
_HOME_BITS = 64  # one customer of a provider has a whole /64 of IPv6 addresses


class Logins:
    """Knows who may come in with `user` and `password`.

    After `FREE` failures in a row an address is refused unheard for 1 s, then 2 s, 4 s and so on up to `LONGEST_S`,
    also with the right password: otherwise its guesses would cost it nothing.
    """

    def __init__(self, user: str, password: str, clock: Callable[[], float] = time.monotonic):
        self._expected = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}  # by address, that of the last failure last: how many, when

    def wait_s(self, address: str) -> float:
        """How long `address` has to wait before its next try, 0.0 for not at all."""
        failures, last_s = self._failures.get(_home(address), (0, 0.0))
        pause_s = 0.0 if failures < FREE else min(LONGEST_S, 2.0 ** min(failures - FREE, 16))
        return max(0.0, last_s + pause_s - self._clock())

    def is_right(self, address: str, given: bytes) -> bool:
        """Whether the Authorization header `given` by `address` is right. One that is wrong is logged and remembered;
        a missing one is no try.
        """
        if hmac.compare_digest(given, self._expected):
            self._failures.pop(_home(address), None)
            return True
        if given:
            self._note_failure(address)
        return False

    def _note_failure(self, address: str) -> None:
        home, now_s = _home(address), self._clock()
        failures, last_s = self._failures.pop(home, (0, now_s))
        failures = 1 if now_s - last_s > _FORGOTTEN_S else failures + 1
        while len(self._failures) >= _REMEMBERED:
            del self._failures[next(iter(self._failures))]
        self._failures[home] = failures, now_s
        wait_s = self.wait_s(address)
        then = f"; the next try is heard in {wait_s:.0f} s" if wait_s else ""
        logger.warning("web: wrong user or password from %s, failure %d%s", printable(address), failures, then)


def _home(address: str) -> str:
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if number.version == 6 and number.ipv4_mapped is None:
        return str(ipaddress.ip_network((number, _HOME_BITS), strict=False))
    return address
