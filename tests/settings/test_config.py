"""Configurations: good ones become settings, bad ones say all that is wrong with them."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import Strict

import edge
from edge.errors import ConfigError
from edge.settings import config
from edge.settings.config import CameraConfig, Config, Jsonl, Model
from edge.settings.mistakes import fields_of, sections_in
from edge.track import registry
from tests.settings import toml

SHIPPED = Path(edge.__file__).with_name("deploy") / "nanotrack.toml"
MASK = '[[camera.mask]]\nkind = "{}"\npoints = {}\n'
GROUND = "[camera.ground]\npoints = [[0.2, 0.9], [0.8, 0.9], [0.6, 0.4], [0.4, 0.4]]\nmetres = {}\n"
ZONE = '[[camera.zone]]\nname = "till"\npoints = {}\n'
SMALL = '[model]\npack = "p"\n[[camera]]\nname = "door"\nsource = "0"\n'


def load(folder: Path, text: str) -> Config:
    path = folder / "nanotrack.toml"
    path.write_text(text)
    return config.load(path)


def mistakes_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.exit_code == 78
    first, *rest = str(caught.value).split("\n  ")
    return [line.removeprefix(f"{folder}/") for line in rest or [first]]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL) == Config(Model("p"), (CameraConfig("door", "0"),))
    assert load(tmp_path, SMALL + '[jsonl]\nfolder = "d"\nkeep = 3').jsonl == Jsonl("d", 64.0, 3, 256.0)


def test_a_detect_interval_is_a_number_or_auto(tmp_path: Path) -> None:
    auto = SMALL.replace('"p"\n', '"p"\ndetect_every = "auto"\ndetect_budget = 0.3\n')
    assert load(tmp_path, auto).model == Model("p", detect_every="auto", detect_budget=0.3)
    assert load(tmp_path, SMALL + "detect_every = 3\n").camera[0].detect_every == 3
    for wrong in ('"sometimes"', "0", "101", "true", "2.0"):
        (told,) = mistakes_of(tmp_path, SMALL + f"detect_every = {wrong}\n")
        assert 'expected a whole number from 1 to 100, or "auto", found' in told


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = """
        [model]
        pack = 3
        backnd = "tensorrt"
        variant = "int4"
        [[camera]]
        name = "door"
        source = "rtsp://x"
        stall_s = 0
        [[camera]]
        name = "yard"
        frame_rate = "fast"
        [jsonl]
        folder = "/tmp"
        keep = -1
        [mqttt]
    """
    assert mistakes_of(tmp_path, text) == [
        "nanotrack.toml:3:9: model.pack: expected text, found 3",
        "nanotrack.toml:4:9: model.backnd: unknown key; did you mean 'backend'?",
        "nanotrack.toml:5:9: model.variant: expected 'auto' or 'fp32' or 'int8', found 'int4'",
        "nanotrack.toml:9:9: camera.door.stall_s: expected a number from 0.5 to 120, found 0; the default is 5.0",
        "nanotrack.toml:10:11: camera.yard.source: missing",
        "nanotrack.toml:12:9: camera.yard.frame_rate: expected a number, found 'fast'",
        "nanotrack.toml:15:9: jsonl.keep: expected a number from 0 to 10000, found -1; the default is 10",
        "nanotrack.toml:16:10: mqttt: unknown key; did you mean 'mqtt'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[model\n\n", "expected TOML, found a mistake: .*line 1"),
        ('[model]\npack = "p"', "camera: missing"),
        ('camera = []\n[model]\npack = "p"', "at least one"),
        (SMALL + '[[camera]]\nname = "door"\nsource = "1"', "camera.door: expected one camera of that name, found 2"),
        (SMALL.replace("door", "Front Door"), "small letters"),
        (SMALL.replace("door", "../etc"), "small letters"),
        (SMALL.replace('"0"', '""'), "camera.door: source: expected an address"),
        (SMALL + 'credentials = "camera"', "camera.door: credentials: expected a source with an address"),
        (SMALL.replace('pack = "p"', 'pack = "p"\nclasses = []'), "classes: expected at least one name"),
        (SMALL + ZONE.format("[[0, 0], [1, 1]]"), "camera.door.zone.till: points: expected at least 3, found 2"),
        (SMALL + ZONE.format("[[0, 0], [1, 1], [1, 1.5]]"), r"from 0 to 1, found \[1.0, 1.5\]"),
        (SMALL + ZONE.format("[[0, 0], [1, 1], [1]]"), r"zone.till.points\[2\]: expected 2 values, found 1"),
        (SMALL + 2 * ZONE.format("[[0, 0], [1, 1], [1, 0]]"), "zone.till: expected one zone of that name, found 2"),
        (SMALL + '[[camera.line]]\nname = "a"\npoints = [[0, 0], [0, 0]]', "expected two different ones"),
        (SMALL + MASK.format("blur", "[[0, 0], [1, 1], [1, 0]]"), "expected 'exclude' or 'privacy', found 'blur'"),
        (SMALL + MASK.format("privacy", "[[0, 0], [1, 1]]"), "points: expected at least 3, found 2"),
        (SMALL + MASK.format("exclude", "[[0, 0], [1, 1], [1, 0], [0, 1]]"), "sides from points 1 and 3 cross"),
        (SMALL + ZONE.format("[[0, 0], [0.5, 0.5], [1, 1]]"), "expected a polygon with an area"),
        (SMALL + "[camera.zone]\nname = 'a'\n", r"write \[\[camera.zone\]\] in place of \[camera.zone\]"),
        (SMALL + GROUND.format("[[0, 0], [4, 0], [4, 9]]"), "metres: expected at least 4, found 3"),
        (SMALL + GROUND.format("[[0, 0], [1, 0], [2, 0], [4, 9]]"), "four points of which no three are on one line"),
        (SMALL + '[snapshots]\nfolder = "f"\non = ["leave"]', "expected 'new' or 'line' or 'zone' or 'stay'"),
        (SMALL + '[web]\naddress = "0.0.0.0"', "web: address: 0.0.0.0 is open to others"),
        (SMALL + '[web]\naddress = "0.0.0.0"\ncredentials = "web"', "needs credentials, certificate and key"),
        (SMALL + '[web]\naddress = "localhost"', "web: address: expected one in numbers"),
        (SMALL + '[web]\nkey = "a"', "certificate and key: expected both or none"),
        (SMALL + '[mqtt]\nhost = "a b"', "mqtt: host: expected a name or an address"),
        (SMALL + '[mqtt]\nhost = "a"\nprefix = "a/#"', "mqtt: prefix: expected the beginning of a topic"),
        (SMALL + '[mqtt]\nhost = "a"\nprefix = ""', "mqtt: prefix: expected the beginning of a topic"),
        (SMALL + '[mqtt]\nhost = "a"\nport = 65536', "mqtt.port: expected a number from 1 to 65535, found 65536"),
        (SMALL + '[mqtt]\nhost = "a"\nupdate_s = -1', "mqtt.update_s: expected a number from 0 to 3600, found -1"),
        (SMALL + '[mqtt]\nhost = "a"\nhome_assistant = "yes"', "mqtt.home_assistant: expected true or false"),
        (SMALL + '[mqtt]\nhost = "a"\nca_file = "x"', "mqtt: ca_file: expected tls = true beside it"),
        (SMALL.replace('"0"', '"http://h/x.jpg"') + "every_s = 3.0", "every_s: expected at most half of stall_s"),
        (SMALL + "size = [640]", "camera.door: size: expected 2 values, found 1"),
        (SMALL + 'pixel_format = "MJPEG"', "pixel_format: expected four characters, such as MJPG"),
        (SMALL + "stall_s = nan", "from 0.5 to 120, found nan"),
        (SMALL + "stall_s = true", "expected a number, found True"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert re.search(expected, "\n".join(mistakes_of(tmp_path, text)))


def test_a_file_that_is_not_there_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read it: No such file"):
        config.load(tmp_path / "none.toml")


def uncommented(text: str) -> str:
    text = re.sub(r"^# (?=(\w+ = )|\[)", "", text, flags=re.MULTILINE)
    return text.replace("tls = false", "tls = true")  # without it a ca_file makes no sense


def test_the_trackers_take_the_parameters_of_the_shipped_file(tmp_path: Path) -> None:
    from edge.track.tracker import Tracker

    tracking = load(tmp_path, uncommented(SHIPPED.read_text())).tracking
    assert tracking.parameters
    for name, value in tracking.parameters.items():
        # One that differs from the default is taken, too, and the one that is shown is the default.
        changed: dict[str, Any] = {name: value + 1}
        Tracker(tracking.method, **changed)
        assert getattr(registry.find(tracking.method).parameters(), name) == value


def test_the_shipped_file_is_valid_as_it_is_and_with_everything_uncommented(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    assert [camera.name for camera in config.load(SHIPPED).camera] == ["door", "yard"]
    load(tmp_path, uncommented(text))


def test_the_shipped_file_shows_every_key_and_its_default(tmp_path: Path) -> None:
    shown = load(tmp_path, uncommented(SHIPPED.read_text()))
    for name, kind in typing.get_type_hints(Config).items():
        part: Any = getattr(shown, name)
        part = part[0] if isinstance(part, tuple) else part
        assert part is not None, f"[{name}] ({kind}) is not shown"
        for key, field in fields_of(type(part)).items():
            assert re.search(rf"^(# )?({key} = |\[\[camera\.{key}\]\])", SHIPPED.read_text(), re.MULTILINE), (
                f"{name}.{key}"
            )
            if key != "tls" and not field.is_required() and field.default not in (None, ()):
                assert getattr(part, key) == field.default, f"{name}.{key}"


def test_all_rules_are_looked_at_in_one_round(tmp_path: Path) -> None:
    text = (
        SMALL
        + """credentials = "camera"
stall_s = "soon"
[[camera]]
name = "door"
source = "1"
loop = "yes"
[mqtt]
host = "a b"
port = "x"
ca_file = "ca.pem"
[web]
port = 99999
address = "0.0.0.0"
key = "a"
"""
    )
    assert [line.split(": ")[:3] for line in mistakes_of(tmp_path, text)] == [
        ["nanotrack.toml:6:1", "camera.door", "credentials"],
        ["nanotrack.toml:7:1", "camera.door.stall_s", "expected a number, found 'soon'"],
        ["nanotrack.toml:9:1", "camera.door", "expected one camera of that name, found 2"],
        ["nanotrack.toml:11:1", "camera.door.loop", "expected true or false, found 'yes'"],
        ["nanotrack.toml:13:1", "mqtt", "host"],
        ["nanotrack.toml:14:1", "mqtt.port", "expected a whole number, found 'x'"],
        ["nanotrack.toml:15:1", "mqtt", "ca_file"],
        ["nanotrack.toml:16:2", "web", "certificate and key"],
        ["nanotrack.toml:17:1", "web.port", "expected a number from 0 to 65535, found 99999; the default is 8080"],
    ]


def test_what_is_sound_can_be_used_beside_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "nanotrack.toml"
    path.write_text(
        SMALL + "[[camera]]\nname = 3\n[[camera]]\nname = 'yard'\nsource = '1'\n[web]\nport = 'x'\n[mqtt]\n"
    )
    reading = config.read(path)
    assert reading.value is None
    assert [camera.name for camera in reading.sound["camera"]] == ["door", "yard"]
    assert reading.sound["model"] == Model("p")
    assert reading.sound["jsonl"] is None
    assert not {"web", "mqtt"} & set(reading.sound)


def test_a_syntax_error_has_its_place(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, "[model]\npack = \n")[0].startswith("nanotrack.toml:2:8: expected TOML")
    assert mistakes_of(tmp_path, 'a = "')[0].startswith("nanotrack.toml:1:")
    assert "lists in lists" in mistakes_of(tmp_path, f"a = {'[' * 20_000}")[0]


def plain_kinds(annotation: Any) -> set[type]:
    """Kinds of numbers in an annotation of a key that pydantic would convert text into."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *more = typing.get_args(annotation)
        return set() if any(isinstance(each, Strict) for each in more) else plain_kinds(inner)
    if annotation in (int, float, bool):
        return {annotation}
    return {kind for argument in typing.get_args(annotation) for kind in plain_kinds(argument)}


def sections(section: type = Config) -> Iterator[type]:
    yield section
    for field in fields_of(section).values():
        for part in sections_in(field.annotation):
            yield from sections(part)


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.__name__)
def test_every_key_is_strict_and_documented(section: type) -> None:
    hints = typing.get_type_hints(section, include_extras=True)
    for key, field in fields_of(section).items():
        assert not plain_kinds(hints[key]), f"{section.__name__}.{key}: take StrictInt, StrictFloat or StrictBool"
        assert field.description or sections_in(field.annotation), f"{section.__name__}.{key}: say what it means"


def test_the_schema_for_editors_takes_what_the_reader_takes(tmp_path: Path) -> None:
    schema = config.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(toml.loads(uncommented(SHIPPED.read_text())))
    for text in (SMALL + "stall_s = 0", SMALL.replace("pack", "pak"), SMALL + ZONE.format("[[0, 0], [1, 1]]"), "a = 1"):
        assert not validator.is_valid(toml.loads(text)), text
        mistakes_of(tmp_path, text)


def test_a_point_out_of_the_picture_is_one_mistake(tmp_path: Path) -> None:
    (told,) = mistakes_of(tmp_path, SMALL + ZONE.format("[[0, 0], [0.5, 2.5], [1, 1]]"))
    assert "expected shares of width and height from 0 to 1, found [0.5, 2.5]" in told


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + SMALL) == load(tmp_path, SMALL)
