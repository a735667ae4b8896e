"""Text on its way out of the process: without the secrets of addresses, without characters that steer a terminal.

What may hold an address of a camera or a broker, or a name out of a file, passes `public` where it leaves: log lines,
messages on a terminal, JSON lines, MQTT messages, the daemon's pages.
"""

import logging
import re
import sys

# User and password, or a token alone, before the host. They may hold blanks, slashes and colons, so everything up to
# the last @ of the line is one of them, unless another address begins before it.
_USER = re.compile(r"([a-z][a-z0-9+.-]{0,15}://)(?:(?!://)[^\n])*@", re.IGNORECASE)
# An address up to the end of the line or to what follows it in our sentences: ": " "; " or ", ".
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{0,15})://(?:(?![:;,] |[:;,]?$|://).)*", re.IGNORECASE | re.MULTILINE)
# name=value, which DVRs have in the path as well, or a bare word after the question mark.
_VALUE = re.compile(r"(?<=[?&/;])([\w.\[\]-]+)=([^&#]*)|(?<=\?)[^=&#]+(?=[&#]|$)")
# Names whose values are no secret and help to find a mistake.
_HARMLESS = {"app", "channel", "codec", "fps", "height", "latency", "port", "profile", "resolution", "size", "stream"}
_HARMLESS |= {"streamtype", "subtype", "timeout", "transport", "transportmode", "unicast", "width"}
_BUILT_IN = "demo"
# C0 but tab and line feed, DEL, C1, what changes the direction of writing, and halves of surrogate pairs, as file names
# that are no UTF-8 have them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def redacted(text: str) -> str:
    """`text` with *** in place of the user, password, token and query values of every address in it."""
    return _ADDRESS.sub(_without_values, _USER.sub(r"\1***@", text))


def printable(text: str) -> str:
    r"""`text` with `\x1b` and the like in place of characters that a terminal or a log would act on."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def public(text: str) -> str:
    """`text` redacted and printable."""
    return printable(redacted(text))


def say(text: str) -> None:
    """Write `text` and a line feed to standard output, so that no name in it steers the terminal or shows a secret."""
    sys.stdout.write(public(text) + "\n")


def _without_values(address: re.Match[str]) -> str:
    return address[0] if address[1].lower() == _BUILT_IN else _VALUE.sub(_without_value, address[0])


def _without_value(found: re.Match[str]) -> str:
    name = found[1]
    if name is None:
        return "***"
    return found[0] if name.lower() in _HARMLESS and re.fullmatch(r"[\w.-]*", found[2]) else f"{name}=***"


class PublicFormatter(logging.Formatter):
    """Log lines, tracebacks included, that are `public`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback."""
        return public(super().format(record))
