"""What leaves the process holds no secret of an address and nothing that a terminal acts on."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.console.outgoing import PublicFormatter, printable, public, redacted

SECRET = "s3cRET"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"rtsp://me:{SECRET}@10.0.0.5/x", "rtsp://***@10.0.0.5/x"),
        (f"RTSP://me:{SECRET}@10.0.0.5/x", "RTSP://***@10.0.0.5/x"),
        (f"rtmp://me:{SECRET}@h/live", "rtmp://***@h/live"),
        (f"udp://me:{SECRET}@239.0.0.1:5000", "udp://***@239.0.0.1:5000"),
        (f"srt://h:9000?passphrase={SECRET}&latency=200", "srt://h:9000?passphrase=***&latency=200"),
        (f"rtsp://{SECRET}@h/x", "rtsp://***@h/x"),  # a token alone
        (f"rtsp://me:a/{SECRET}@h/x", "rtsp://***@h/x"),
        (f"rtsp://me:a {SECRET}@h/x", "rtsp://***@h/x"),
        (f"rtsp://me:a@{SECRET}@h/x", "rtsp://***@h/x"),
        (f'rtsp://me:a"{SECRET}@h/x', "rtsp://***@h/x"),
        (f"rtsp://me:a: {SECRET}@h/x", "rtsp://***@h/x"),
        (
            f"rtsp://10.0.0.5:554/user=admin&password={SECRET}&channel=1&stream=0.sdp",
            "rtsp://10.0.0.5:554/user=***&password=***&channel=1&stream=0.sdp",
        ),
        (
            f"http://h/flv?port=1935&app=bcs&stream=main.bcs&user=admin&password={SECRET}",
            "http://h/flv?port=1935&app=bcs&stream=main.bcs&user=***&password=***",
        ),
        (f"http://h/v?password=a {SECRET}&channel=2", "http://h/v?password=***&channel=2"),
        (f"http://h/v?{SECRET}", "http://h/v?***"),
        (f"found 'http://h/v?password=a'{SECRET}'", "found 'http://h/v?password=***"),
        (f"http://h/?key={SECRET}\nhttp://h/?key={SECRET}", "http://h/?key=***\nhttp://h/?key=***"),
        (f"http://h/v?token={SECRET}: no camera answers", "http://h/v?token=***: no camera answers"),
        (f"camera a: rtsp://u:{SECRET}@h/x: timed out", "camera a: rtsp://***@h/x: timed out"),
        (f"rtsp://u:{SECRET}@h/x, http://h/y?key={SECRET}, ok", "rtsp://***@h/x, http://h/y?key=***, ok"),
        ("rtsp://10.0.0.5/a/b and rtsp://h/c", "rtsp://10.0.0.5/a/b and rtsp://h/c"),
        ("demo://crowd?seed=3&people=12", "demo://crowd?seed=3&people=12"),
        ("a=b and 3 @ home", "a=b and 3 @ home"),
    ],
)
def test_addresses_leave_without_their_secrets(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


@given(
    scheme=st.sampled_from(["rtsp", "RTSPS", "http", "rtmp", "udp", "srt"]),
    secret=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1).map(
        lambda text: f"Q{text.replace('://', '')}Z"
    ),
    before=st.sampled_from(["", "camera a: ", "'", "found "]),
    after=st.sampled_from(["", ": no camera answers", " failed", "'"]),
)
def test_whatever_stands_before_the_host_is_not_shown(scheme: str, secret: str, before: str, after: str) -> None:
    for inside in (f"me:{secret}", secret, f"{secret}:x"):
        shown = redacted(f"{before}{scheme}://{inside}@host/x{after}")
        assert shown == f"{before}{scheme}://***@host/x{after}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9b31mb\x7f", r"a\x9b31mb\x7f"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("back\rover", r"back\rover"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\udcff.onnx", r"\udcff.onnx"),
        ("Tür, 門, [/x]", "Tür, 門, [/x]"),
    ],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    shown.encode("utf-8")


def test_log_lines_and_tracebacks_are_public() -> None:
    formatter = PublicFormatter("%(message)s")
    try:
        raise ValueError(f"rtsp://u:{SECRET}@h/x\x1b[2J")
    except ValueError:
        import sys

        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "%s", (f"http://{SECRET}@h",), sys.exc_info())
    text = formatter.format(record)
    assert SECRET not in text
    assert "\x1b" not in text
    assert "http://***@h" in text
    assert "rtsp://***@h/x" in text
    assert public(f"\x07http://h/?k={SECRET}") == r"\x07http://h/?k=***"
