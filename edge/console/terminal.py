"""Tables and lines on a terminal: text is shown as it is, whatever names out of files hold."""

from typing import Any

from rich.console import Console
from rich.text import Text

from edge.console.outgoing import printable


class Terminal(Console):
    """A console of rich that takes text for text: `[/x]` is no markup, and no character steers the terminal.

    What is to be bold or coloured is a `Text`, of `printable` parts where they are not ours.
    """

    def __init__(self, *, stderr: bool = False):
        super().__init__(stderr=stderr, markup=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """`text` as it is; see `rich.console.Console.render_str`."""
        return super().render_str(printable(text), **{**options, "markup": False})
