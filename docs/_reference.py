"""What the reference pages show is asked from the code when they are built: a hook of MkDocs.

A line `<!-- generate: NAME -->` of a page becomes what the function NAME here returns.
"""

import argparse
import ast
import dataclasses
import importlib
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

import edge.cli
import export.cli
from edge import errors
from edge.detect.families import registry as families
from edge.fleet.settings import FleetConfig
from edge.settings import config
from edge.settings.mistakes import fields_of, limits, sections_in
from edge.track import registry

ROOT = Path(__file__).parents[1]
WIDTH = 100  # of the help texts


def on_page_markdown(markdown: str, **more: Any) -> str:
    """MkDocs calls this for every page."""
    return re.sub(r"^<!-- generate: (\w+) -->$", lambda found: PARTS[found[1]](), markdown, flags=re.MULTILINE)


def commands() -> str:
    """The help of every command, as it prints it."""
    parts = []
    for program, package, verbs in (
        ("nanotrack", "edge.commands", edge.cli.VERBS),
        ("nanotrack-export", "export.commands", export.cli.VERBS),
    ):
        for verb in verbs:
            parts.append(f"## {program} {verb}\n\n```text\n{_help(program, package, verb)}\n```\n")
    return "\n".join(parts)


def parser_of(program: str, package: str, verb: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    module = importlib.import_module(f"{package}.{verb.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        f"{program} {verb}",
        description=module.__doc__,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH),
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more, and show tracebacks")
    module.add_arguments(parser)
    return parser


def _help(program: str, package: str, verb: str) -> str:
    return parser_of(program, package, verb).format_help().strip()


def configuration() -> str:
    """Every section of the daemon's configuration with its keys."""
    return _configuration(config.Config)


def fleet_configuration() -> str:
    """Every section of the fleet's configuration with its keys."""
    return _configuration(FleetConfig)


def _configuration(schema: type) -> str:
    parts = []
    for title, section in _sections(schema, ""):
        about = (section.__doc__ or "").partition(": ")[2]
        rows = ["| key | type | default | limits | |", "|---|---|---|---|---|"]
        for key, field in fields_of(section).items():
            if not sections_in(field.annotation):
                bounds = limits(field)
                allowed = "" if bounds is None else f"{bounds[0]:g} to {bounds[1]:g}"
                about_key = (field.description or "").replace("|", "\\|")
                rows.append(f"| `{key}` | {_kind(field.annotation)} | {_default(field)} | {allowed} | {about_key} |")
        parts.append("\n".join([f"## `{title}`\n", _sentence(about[:1].upper() + about[1:]), "", *rows, ""]))
    return "\n".join(parts)


def _sections(section: type, prefix: str) -> Iterator[tuple[str, type]]:
    for key, field in fields_of(section).items():
        for part in sections_in(field.annotation):
            name = f"{prefix}{key}"
            is_list = typing.get_origin(field.annotation) is tuple
            yield (f"[[{name}]]" if is_list else f"[{name}]"), part
            yield from _sections(part, f"{name}.")


def _kind(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return "table"
    return {str: "text", float: "number", int: "whole number", bool: "true or false"}[kind]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def _sentence(text: str) -> str:
    """A docstring as Markdown, on one line a paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def configuration_file() -> str:
    """The commented configuration that comes with the package."""
    return f"```toml\n{(ROOT / 'edge/deploy/nanotrack.toml').read_text('utf-8').strip()}\n```\n"


def metrics() -> str:
    """Every metric of `/metrics`, read from the source that makes them."""
    kinds = {"Values": "gauge", "Counts": "counter", "Times": "histogram"}
    rows = ["| metric | kind | labels | |", "|---|---|---|---|"]
    source = (ROOT / "edge/service/web/metrics.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
            name, about = (ast.literal_eval(argument) for argument in node.args)
            kind = kinds[node.func.id]
            total = "_total" if kind == "counter" else ""
            (labels,) = [k.value for k in node.keywords if k.arg == "labels"] or [ast.List([])]
            listed = _names(labels, source)
            rows.append(f"| `{name}{total}` | {kind} | {', '.join(f'`{label}`' for label in listed)} | {about} |")
    return "\n".join([*rows[:2], *sorted(rows[2:])]) + "\n"


def _names(node: ast.expr, source: str) -> list[str]:
    """The labels, written there or in a list above."""
    if isinstance(node, ast.Name):
        return re.findall(r'"(\w+)"', re.findall(rf"{node.id} = \[([^\]]*)\]", source)[0])
    return list(ast.literal_eval(node))


def exit_codes() -> str:
    """The errors and their exit codes."""
    rows = ["| code | error in Python | when |", "|--:|---|---|"]
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.NanoTrackError)]
    for class_ in sorted(classes, key=lambda c: c.exit_code):
        rows.append(f"| {class_.exit_code} | `{class_.__name__}` | {_sentence(class_.__doc__ or '')} |")
    return "\n".join(rows) + "\n"


def parameters() -> str:
    """The parameters of every tracking method with their ranges."""
    parts = []
    for name in (*registry.BUILT_IN, *registry.PEERS):
        rows = ["| parameter | default | from | to |", "|---|--:|--:|--:|"]
        for field in dataclasses.fields(registry.find(name).parameters):
            limits = field.metadata
            rows.append(f"| `{field.name}` | {field.default:g} | {limits['low']:g} | {limits['high']:g} |")
        parts.append("\n".join([f"### Parameters of {name}\n", *rows, ""]))
    return "\n".join(parts)


def abilities() -> str:
    """What the record of every tracking method says that it can."""
    rows = ["| method | presets | appearance | shows predictions | keeps classes apart |", "|---|---|---|:-:|:-:|"]
    for name in (*registry.BUILT_IN, *registry.PEERS):
        method, choice = registry.find(name), registry.choose(name)
        presets = ", ".join(f"`{preset}`" for preset in dict.fromkeys(["default", *method.presets]))
        appearance = "needed" if choice.needs_embeddings else "optional" if choice.takes_appearance else "none"
        marks = ["yes" if able else "" for able in (method.coasts, choice.keeps_groups_apart)]
        rows.append(f"| `{name}` | {presets} | {appearance} | {' | '.join(marks)} |")
    return "\n".join(rows) + "\n"


def detectors() -> str:
    """The detector families that are known."""
    rows = ["| `--family` | networks |", "|---|---|"]
    rows += [f"| `{family.name}` | {family.about} |" for family in families.families()]
    return "\n".join(rows) + "\n"


def nearest_method() -> str:
    """The example of a tracking method."""
    text = (ROOT / "docs/examples/nearest_method.py").read_text("utf-8").strip()
    return f'```python title="nearest_method.py"\n{text}\n```\n'


def schema() -> str:
    """The JSON Schema of the lines."""
    text = json.dumps(json.loads((ROOT / "edge/sinks/tracks.schema.json").read_text("utf-8")), indent=2)
    return f"```json\n{text}\n```\n"


PARTS: Mapping[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        abilities,
        commands,
        configuration,
        configuration_file,
        detectors,
        exit_codes,
        fleet_configuration,
        metrics,
        nearest_method,
        parameters,
        schema,
    )
}
