"""What a library prints becomes a message, and what others print stays on standard error."""

import os
import sys

import pytest

from edge.console.native import native_messages


def test_lines_of_libraries_are_caught_and_others_pass(capfd: pytest.CaptureFixture[str]) -> None:
    with native_messages() as messages:
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\n")
        sys.stderr.write("a line of ours\n")
        os.write(2, b"Premature end of JPEG file\n")
    os.write(2, b"after\n")
    assert messages == ["libpng warning: iCCP: known incorrect sRGB profile", "Premature end of JPEG file"]
    assert capfd.readouterr().err == "a line of ours\nafter\n"


def test_standard_error_is_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="ours"), native_messages():
        raise ValueError("ours")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
