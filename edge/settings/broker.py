"""The settings of an MQTT broker, as the daemon and the fleet have them."""

import re

from pydantic import Field, StrictBool, StrictFloat, StrictInt, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from edge.settings.mistakes import rule
from edge.settings.section import SECTION


@dataclass(frozen=True, config=SECTION)
class Connection:
    """How an MQTT broker is reached, and how topics begin: what the daemon and the fleet have in common."""

    host: str = Field(description="Name or address of the broker.")
    port: StrictInt = Field(default=1883, ge=1, le=65535, description="Where it listens; with TLS usually 8883.")
    prefix: str = Field(default="nanotrack", description="How every topic begins.")
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    tls: StrictBool = Field(default=False, description="Encrypted, and the broker's certificate is checked.")
    ca_file: str | None = Field(default=None, description="Who signed it (PEM); without it the system's authorities.")

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not host or any(c in host for c in "/ @"):
            raise ValueError(f"expected a name or an address, found {host!r}")
        return host

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if not re.fullmatch(r"[^+#/\0\s$][^+#\0\s]{0,127}", prefix) or prefix.endswith("/"):
            raise ValueError(f"expected the beginning of a topic, without + # or spaces, found {prefix!r}")
        return prefix

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, ca_file: str | None, info: ValidationInfo) -> str | None:
        if ca_file is not None and info.data.get("tls") is False:
            raise rule("ca_file", "expected tls = true beside it")
        return ca_file


@dataclass(frozen=True, config=SECTION)
class Mqtt(Connection):
    """`[mqtt]`: a broker that gets all events; see `edge.sinks.mqtt`."""

    update_s: StrictFloat = Field(
        default=5.0, ge=0, le=3600, description="An event tells where each identity is, so many seconds apart; 0: none."
    )
    home_assistant: StrictBool = Field(
        default=False, description="Home Assistant finds cameras, counts, zones, lines and snapshots by itself."
    )
    appearance: StrictBool = Field(
        default=False, description="The embeddings of identities, for nanotrack fleet; they are personal data."
    )
