"""Names of classes into the numbers that a network has for them."""

from collections.abc import Sequence

from edge.errors import UsageError


def class_numbers(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    """The numbers of the `wanted` names, ascending. Raises UsageError for a name that is not `known`.

    Names may be joined by +, which only matters to the tracker (edge.track.groups).
    """
    names = [name for joined in wanted for name in joined.split("+")]
    for name in names:
        if name not in known:
            shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise UsageError(f"--classes {name}: the network knows no such class, only {shown}")
    return sorted({known.index(name) for name in names})
