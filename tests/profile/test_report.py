"""Reports survive the file, and the shipped schema is that of the dataclasses."""

import json
from pathlib import Path

import pytest

from edge.errors import DataError, NotFoundError, OutputError
from edge.profile import report as reports
from tests.profile.jsonschema import schema_of
from tests.profile.samples import LOOSE, live, machine, report, sensors


@pytest.mark.parametrize(
    "found",
    [
        report(),
        report(live=None),
        report(machine=machine(LOOSE), sensors=sensors(power_w={"VDD_IN": 5.0}, throttled=False)),
        report(live=live(dropped=3), warnings=("hot",)),
    ],
)
def test_a_report_is_read_as_it_was_written(tmp_path: Path, found: reports.Report) -> None:
    reports.write(found, tmp_path / "a.json")
    assert reports.read(tmp_path / "a.json") == found


def test_the_shipped_schema_is_that_of_the_dataclasses() -> None:
    assert json.loads(reports.SCHEMA.read_text("utf-8")) == schema_of(reports.Report)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "found no JSON"),
        ("[]", "expected a report of schema 1, found None"),
        ('{"schema": 2}', "expected a report of schema 1, found 2"),
        ('{"schema": 1}', "machine: missing"),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        reports.read(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        reports.read(tmp_path / "none.json")
    with pytest.raises(OutputError, match="cannot write"):
        reports.write(report(), tmp_path / "none" / "a.json")
