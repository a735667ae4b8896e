"""Command lines as the methods' own repositories print them, turned into ours.

`nanotrack track.py ...` and `val.py` are NanoTrack's (github.com/VjiaLi/NanoTrack), `demo.py` is JointTrackNet's and
CenterTrack's (github.com/simsekfe/JointTrackNet), `tracking.py` that of scripts that take a `--video`. Flags that are
the same pass; others are renamed, or left out with a line that says why.
"""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edge.detect.classes import COCO_CLASSES
from edge.errors import UnavailableError, UsageError

_DEVICES = "the best device of this board is chosen; --backend, --require and --threads choose another"
_PACK = "a pack holds it already; nanotrack-export pack takes it"
_OUT = "name the files with --save OUT.mp4 and --mot OUT.txt"
_VIDEO = "demo.mp4"  # where debug views go that no window can show


@dataclass(frozen=True)
class Script:
    """How a published script's flags become those of `verb`.

    `renamed` have another name, `left_out` are told why, by how many words follow them at most. `finish` gets the new
    command line's words and the values of the flags in `asked`.
    """

    verb: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    asked: Sequence[str] = ()
    finish: Callable[[list[str], Mapping[str, str]], list[str]] = lambda words, asked: words


def translated(argv: Sequence[str]) -> list[str]:
    """Our command line for a published one, told on standard error; any other as it is.

    Raises UsageError where something is missing that the published script finds in its own folders.
    """
    if not argv or argv[0] not in SCRIPTS:
        return list(argv)
    script = SCRIPTS[argv[0]]
    words: list[str] = []
    asked: dict[str, str] = {}
    rest = [part for word in argv[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while rest:
        word = rest.pop(0)
        if word in script.asked:
            asked[word] = rest.pop(0) if rest and not rest[0].startswith("--") else ""
        elif word in script.left_out:
            most, why = script.left_out[word]
            taken = [rest.pop(0) for _ in range(most) if rest and not rest[0].startswith("--")]
            sys.stderr.write(f"{shlex.join([word, *taken])}: left out: {why}\n")
        else:
            words.append(script.renamed.get(word, word))
            if word == "--classes":
                words += _class_names(rest)
    words = [script.verb, *script.finish(words, asked)]
    sys.stderr.write(f"{argv[0]} runs as: nanotrack {shlex.join(words)}\n")
    return words


def _class_names(rest: list[str]) -> Iterator[str]:
    """The numbers that follow `--classes`, taken from `rest`, as names of COCO, together in one word."""
    numbers = []
    while rest and rest[0].isdecimal() and int(rest[0]) < len(COCO_CLASSES):
        numbers.append(COCO_CLASSES[int(rest.pop(0))])
    if numbers:
        yield ",".join(numbers)


def _val(words: list[str], asked: Mapping[str, str]) -> list[str]:
    if "--data" not in words and "--help" not in words:
        name = words[words.index("--benchmark") + 1] if "--benchmark" in words[:-1] else "the benchmark"
        raise UsageError(f"val.py: expected --data DIR, the folder with the sequences of {name}, found none; add it")
    return words


def _joint(words: list[str], asked: Mapping[str, str]) -> list[str]:
    """JointTrackNet's demo: the first word lists its tasks, `--demo` is a source or webcam, `--debug` what to show."""
    if words and not words[0].startswith("-"):
        words = words[1:]
    source = asked.get("--demo", "")
    if source:
        words += ["--demo", "webcam"] if source == "webcam" else ["--path", source]
    if "--tracking-method" not in words:
        words += ["--tracking-method", "jointtrack"]
    debug = asked.get("--debug", "0")
    if debug not in ("0", "1", "2", "3", "4"):
        raise UsageError(f"demo.py: --debug {debug}: expected a number from 0 to 4")
    if debug == "0":
        return words
    if not {"--save", "--show"} & set(words):
        words += _somewhere()
    return words if debug == "1" else [*words, "--show-debug", "heatmap,offsets"]


def _somewhere() -> list[str]:
    """A window, or where none can be opened a video."""
    from edge.sinks.window import require_window

    try:
        require_window()
    except UnavailableError:
        sys.stderr.write(f"--debug: no window can be opened here: the pictures go into {_VIDEO}\n")
        return ["--save", _VIDEO]
    return ["--show"]


SCRIPTS = {
    "track.py": Script(
        "track",
        {"--source": "--path", "--device": "--backend"},
        {"--config": (1, _PACK), "--only-detect": (0, "nanotrack always tracks"), "--save-txt": (0, _OUT)},
    ),
    "val.py": Script(
        "val",
        {"--path": "--data"},
        {
            "--config": (1, _PACK),
            "--demo": (1, "val reads the pictures of the sequences"),
            "--device": (1, _DEVICES),
            "--eval-existing": (0, "--tracks DIR scores results that are there"),
        },
        finish=_val,
    ),
    "tracking.py": Script(
        "track", {"--video": "--path", "--source": "--path", "--input": "--path"}, {"--config": (1, _PACK)}
    ),
    "demo.py": Script(
        "track",
        {"--load_model": "--model", "--track_thresh": "--conf"},
        {
            "--num_class": (1, "the pack knows its classes; --classes chooses"),
            "--num_classes": (1, "the pack knows its classes; --classes chooses"),
            "--gpus": (1, _DEVICES),
            "--arch": (1, _PACK),
            "--dataset": (1, _PACK),
            "--pre_hm": (0, "the pack knows its inputs"),
            "--ltrb_amodal": (0, "the pack knows its outputs"),
            "--save_results": (0, _OUT),
            "--save_video": (0, _OUT),
        },
        asked=("--demo", "--debug"),
        finish=_joint,
    ),
}
