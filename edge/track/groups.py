"""Groups of classes: which ones a detector may confuse, so that a track may go from one to the other.

Methods that keep groups apart match a track and a detection only if they are of one group. A class in no group is one
of its own.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.track import registry
from edge.track.state import CLASSES


def groups_of(wanted: Sequence[str], known: Sequence[str], method: str, preset: str) -> list[list[int]] | None:
    """The groups for a tracker that follows the classes `wanted`, names out of `known`: one for each.

    Names joined by + are one group: "car+truck". None where it is all one group, or where none are joined and the
    method keeps no groups apart.
    """
    joined = any("+" in names for names in wanted)
    if len(wanted) < 2 or not (joined or registry.choose(method, preset).keeps_groups_apart):
        return None
    return [[known.index(name) for name in names.split("+")] for names in wanted]


def group_table(class_groups: Iterable[Sequence[int]]) -> npt.NDArray[np.int32]:
    """The group of each class, int32 `[CLASSES]`: the first class of its group, or itself where it is in none.

    Raises UsageError for a number that is no class from 0 on, and for one that is in two groups.
    """
    table, known = np.arange(CLASSES, dtype=np.int32), set()
    for members in class_groups:
        for member in members:
            if not 0 <= member < CLASSES or member != int(member):
                raise UsageError(f"class_groups: {member!r}: expected the number of a class, from 0 to {CLASSES - 1}")
            if member in known:
                raise UsageError(f"class_groups: class {member} is in two groups; leave one of them")
            known.add(member)
            table[int(member)] = members[0]
    return table
