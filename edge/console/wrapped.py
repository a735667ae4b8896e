"""Help that fits the terminal: prose is filled to its width, indented lines (commands to copy) stay as written."""

import argparse
import itertools
import textwrap


class Formatter(argparse.HelpFormatter):
    """For `formatter_class`: descriptions as they stand in a docstring, in the width of the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = []
        for is_prose, lines in itertools.groupby(text.splitlines(), lambda line: line[:1].strip() != ""):
            block = "\n".join(lines)
            blocks.append(textwrap.fill(block, width) if is_prose else block)
        return textwrap.indent("\n".join(blocks), indent)
