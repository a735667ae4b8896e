"""Names out of files are shown as they are, and steer nothing."""

import io

from rich.table import Table

from edge.console.terminal import Terminal


def shown(*things: object) -> str:
    terminal = Terminal()
    terminal.file = io.StringIO()
    for thing in things:
        terminal.print(thing)
    return terminal.file.getvalue()


def test_markup_in_a_name_is_text() -> None:
    table = Table("file", box=None)
    table.add_row("[/x][bold]a[/]\x1b[2J")
    text = shown("[/x].pack", table)
    assert "[/x].pack" in text
    assert r"[/x][bold]a[/]\x1b[2J" in text
    assert "\x1b" not in text
