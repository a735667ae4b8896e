"""Lines that fit the schema of the JSON lines."""

import json
from pathlib import Path
from typing import Any

from benchmarks.field.schema import mistakes
from edge.sinks.wire import SCHEMA

__all__ = ["lines_of", "mistakes"]


def lines_of(path: Path) -> list[dict[str, Any]]:
    schema = json.loads(SCHEMA.read_text())
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [mistake for line in lines for mistake in mistakes(schema, line)] == []
    return lines
