"""The settings of the daemon's pages."""

import ipaddress

from pydantic import Field, StrictBool, StrictInt, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from edge.settings.mistakes import rule
from edge.settings.section import SECTION


@dataclass(frozen=True, config=SECTION)
class Web:
    """`[web]`: the pages that `edge.service.web.pages` lists, for this machine unless set otherwise.

    Any other address needs credentials, certificate and key, or insecure.
    """

    address: str = Field(default="127.0.0.1", description="Where it listens, in numbers; 0.0.0.0 is everywhere.")
    port: StrictInt = Field(default=8080, ge=0, le=65535, description="Where it listens; 0: any that is free.")
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    certificate: str | None = Field(default=None, description="PEM file, by path or by the name of a credential.")
    key: str | None = Field(default=None, description="PEM file, by path or by the name of a credential.")
    edit: StrictBool = Field(
        default=False,
        validate_default=True,
        description="Who logs in may write zones and lines, drawn in the page, into this file; needs credentials.",
    )
    insecure: StrictBool = Field(
        default=False, validate_default=True, description="Others may look without login and encryption."
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"expected one in numbers, such as 127.0.0.1 or ::, found {address!r}") from None
        return address

    @field_validator("edit")
    @classmethod
    def _check_login(cls, edit: bool, info: ValidationInfo) -> bool:
        if edit and info.data.get("credentials") is None:
            raise rule("edit", "expected credentials beside it, found none: whoever changes this file has to log in")
        return edit

    @field_validator("insecure")
    @classmethod
    def _check_protection(cls, insecure: bool, info: ValidationInfo) -> bool:
        found = info.data
        if (found.get("certificate") is None) != (found.get("key") is None):
            raise rule("certificate and key", "expected both or none")
        is_safe = found.get("credentials") is not None and found.get("certificate") is not None
        address = found.get("address", "127.0.0.1")
        if not (ipaddress.ip_address(address).is_loopback or is_safe or insecure):
            raise rule(
                "address",
                f"{address} is open to others, which needs credentials, certificate and key; insecure = true does"
                " without",
            )
        return insecure
