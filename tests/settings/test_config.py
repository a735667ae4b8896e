"""Configurations: good ones become settings, bad ones say all that is wrong with them."""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import edge
from edge.errors import ConfigError
from edge.settings import config
from edge.settings.config import CameraConfig, Config, Jsonl, Model

SHIPPED = Path(edge.__file__).with_name("deploy") / "nanotrack.toml"
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
    return rest or [first]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL) == Config(Model("p"), (CameraConfig("door", "0"),))
    assert load(tmp_path, SMALL + '[jsonl]\nfolder = "d"\nkeep = 3').jsonl == Jsonl("d", 64.0, 3, 256.0)


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
        "mqttt: unknown key; did you mean 'mqtt'?",
        "model.backnd: unknown key; did you mean 'backend'?",
        "model.pack: expected text, found 3",
        "model.variant: expected 'auto' or 'fp32' or 'int8', found 'int4'",
        "camera.door.stall_s: expected a number from 0.5 to 120, found 0; the default is 5.0",
        "camera.yard.source: missing",
        "camera.yard.frame_rate: expected a number, found 'fast'",
        "jsonl.keep: expected a number from 0 to 10000, found -1; the default is 10",
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
        for field in dataclasses.fields(part):
            assert re.search(
                rf"^(# )?({field.name} = |\[\[camera\.{field.name}\]\])", SHIPPED.read_text(), re.MULTILINE
            ), f"{name}.{field.name}"
            if field.name not in ("tls", "zone", "line") and field.default not in (None, dataclasses.MISSING):
                assert getattr(part, field.name) == field.default, f"{name}.{field.name}"
