"""Checkpoints are read to the last bit, execute nothing, and complain in one sentence when they are broken."""

import argparse
import pickle
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import DataError, NotFoundError
from export import checkpoint
from tests.export import torchfile as tf

FLOATS = np.arange(6, dtype="<f4")
MATRIX = tf.mapping({"a.weight": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))})


def _write(path: Path, form: str, body: bytes, content: bytes, elements: int) -> Path:
    if form == "zip":
        return tf.write_archive(path, body, {"0": content})
    return tf.write_stream(path, body, {"0": (elements, content)})


forms = pytest.mark.parametrize("form", ["zip", "stream"])


@forms
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("FloatStorage", "f4"),
        ("DoubleStorage", "f8"),
        ("HalfStorage", "f2"),
        ("LongStorage", "i8"),
        ("IntStorage", "i4"),
        ("ShortStorage", "i2"),
        ("CharStorage", "i1"),
        ("ByteStorage", "u1"),
        ("BoolStorage", "?"),
    ],
)
def test_every_dtype_of_a_storage(tmp_path: Path, form: str, kind: str, dtype: str) -> None:
    values = np.array([0, 1, 3, 2, 1, 0]).astype(dtype)
    body = tf.mapping({"a": tf.tensor(kind, "0", 6, 0, (2, 3), (3, 1))})
    found = checkpoint.read(_write(tmp_path / "c.pth", form, body, values.tobytes(), 6)).tensors["a"]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, values.reshape(2, 3))


@forms
def test_bfloat16_becomes_float32(tmp_path: Path, form: str) -> None:
    values = np.array([1.0, -2.5, 3.140625, 1e30], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    body = tf.mapping({"a": tf.tensor("BFloat16Storage", "0", 4, 0, (4,), (1,))})
    found = checkpoint.read(_write(tmp_path / "c.pth", form, body, upper.tobytes(), 4)).tensors["a"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (upper.astype(np.uint32) << 16).view(np.float32))
    np.testing.assert_allclose(found, values, rtol=1e-2)


@forms
def test_tensors_that_share_a_storage_with_offsets_and_strides(tmp_path: Path, form: str) -> None:
    body = tf.mapping(
        {
            "whole": tf.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1)),
            "turned": tf.tensor("FloatStorage", "0", 6, 0, (3, 2), (1, 3)),
            "column": tf.tensor("FloatStorage", "0", 6, 1, (2,), (3,)),
            "expanded": tf.tensor("FloatStorage", "0", 6, 5, (4,), (0,)),
            "scalar": tf.tensor("FloatStorage", "0", 6, 2, (), ()),
            "empty": tf.tensor("FloatStorage", "0", 6, 0, (0, 3), (3, 1)),
        }
    )
    found = checkpoint.read(_write(tmp_path / "c.pth", form, body, FLOATS.tobytes(), 6)).tensors
    whole = FLOATS.reshape(2, 3)
    expected = {"whole": whole, "turned": whole.T, "column": whole[:, 1], "expanded": np.full(4, 5.0)}
    expected |= {"scalar": np.array(2.0), "empty": np.empty((0, 3))}
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert found[name].flags.c_contiguous
        np.testing.assert_array_equal(found[name], array)


def test_an_archive_of_a_big_endian_machine(tmp_path: Path) -> None:
    path = tf.write_archive(tmp_path / "c.pth", MATRIX, {"0": FLOATS.astype(">f4").tobytes()}, "big")
    found = checkpoint.read(path).tensors["a.weight"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.ravel(), FLOATS)


ONE = tf.tensor("FloatStorage", "0", 6, 1, (), ())
TWO = tf.tensor("FloatStorage", "0", 6, 2, (), ())


@pytest.mark.parametrize(
    "body",
    [
        tf.mapping({"fc.bias": ONE}),
        tf.mapping({"epoch": tf.number(3), "state_dict": tf.mapping({"fc.bias": ONE})}),
        tf.mapping({"best": TWO, "model": tf.mapping({"fc.bias": ONE})}),
        tf.mapping({"state_dict": tf.mapping({"module.fc.bias": ONE})}),
        tf.mapping({"state_dict": tf.mapping({"model.fc.bias": ONE})}),
        # NanoDet's Lightning checkpoints hold the weights and, better, their running average.
        tf.mapping({"state_dict": tf.mapping({"model.fc.bias": TWO, "avg_model.fc.bias": ONE})}),
        tf.mapping({"state_dict": tf.mapping({"avg_model.module.fc.bias": ONE, "model.fc.bias": TWO})}),
        tf.mapping({"model": tf.mapping({"_orig_mod.fc.bias": ONE})}),
        tf.mapping({"state_dict": tf.mapping({"net._orig_mod.module.fc.bias": ONE})}),
        tf.mapping({"model": tf.mapping({"fc.bias": TWO}), "ema": tf.mapping({"fc.bias": ONE})}),
        tf.mapping(
            {"model": tf.mapping({"fc.bias": TWO}), "ema": tf.mapping({"module": tf.mapping({"fc.bias": ONE})})}
        ),
        tf.mapping({"state_dict": tf.mapping({"ema.fc.bias": ONE, "net.fc.bias": TWO})}),
    ],
    ids=[
        "top",
        "state_dict",
        "model",
        "module.",
        "model.",
        "avg_model.",
        "avg_model.module.",
        "_orig_mod.",
        "net._orig_mod.module.",
        "ema",
        "ema of a module",
        "ema.",
    ],
)
def test_where_published_checkpoints_keep_their_tensors(tmp_path: Path, body: bytes) -> None:
    found = checkpoint.read(tf.write_archive(tmp_path / "c.pth", body, {"0": FLOATS.tobytes()})).tensors
    assert found == {"fc.bias": 1.0}


def _with_meta(path: Path, **meta: bytes) -> Path:
    return tf.write_archive(path, tf.mapping({"state_dict": MATRIX, "meta": tf.mapping(meta)}), {"0": FLOATS.tobytes()})


def test_what_a_checkpoint_says_of_its_network(tmp_path: Path) -> None:
    said = {"input_size": tf.row(tf.number(640), tf.number(352)), "class_names": tf.row(tf.text("a"), tf.text("b"))}
    found = checkpoint.read(_with_meta(tmp_path / "c.pth", architecture=tf.text("x"), **said))
    assert found.meta == ((640, 352), ("a", "b"))
    assert list(found.tensors) == ["a.weight"]


@pytest.mark.parametrize("meta", [{}, {"CLASSES": tf.row(tf.text("car")), "epoch": tf.number(12)}])
def test_what_other_tools_say_is_theirs(tmp_path: Path, meta: dict[str, bytes]) -> None:
    assert checkpoint.read(_with_meta(tmp_path / "c.pth", **meta)).meta == (None, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_size", tf.number(640)),
        ("input_size", tf.row(tf.number(640))),
        ("input_size", tf.row(tf.number(640), tf.number(0))),
        ("input_size", tf.row(tf.text("640"), tf.text("352"))),
        ("class_names", tf.text("person")),
        ("class_names", tf.row()),
        ("class_names", tf.row(tf.number(1))),
    ],
)
def test_nonsense_under_our_own_keys_is_named(tmp_path: Path, key: str, value: bytes) -> None:
    with pytest.raises(DataError, match=rf"meta\.{key}: expected"):
        checkpoint.read(_with_meta(tmp_path / "c.pth", **{key: value}))


@forms
@pytest.mark.parametrize(
    "attack",
    [
        tf.call(tf.name("os", "system"), tf.text("touch HIT")),
        tf.call(tf.name("builtins", "eval"), tf.text("open('HIT', 'w')")),
        b"(" + tf.text("touch HIT") + b"ios\nsystem\n",
        tf.text("os") + tf.text("system") + b"\x93" + tf.row(tf.text("touch HIT")) + b"R",
        tf.call(tf.name("torch.storage", "_load_from_bytes"), tf.text("x")),
        tf.call(tf.name("export.checkpoint", "read"), tf.text("x")),
    ],
    ids=["call", "eval", "instance", "stack global", "nested load", "own code"],
)
def test_a_pickle_that_would_run_code_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, attack: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _write(tmp_path / "c.pth", form, tf.mapping({"a": attack}), FLOATS.tobytes(), 6)
    with pytest.raises(DataError, match=r"wants [a-z_.]+\.(system|eval|_load_from_bytes|read), .* refused"):
        checkpoint.read(path)
    assert not (tmp_path / "HIT").exists()


@pytest.mark.parametrize("state", [tf.mapping({"make": tf.number(1)}), tf.row(b"N", tf.mapping({"make": b"N"}))])
def test_a_pickle_cannot_change_what_a_name_stands_for(tmp_path: Path, state: bytes) -> None:
    attack = tf.name("collections", "OrderedDict") + state + b"b"
    path = tf.write_archive(tmp_path / "c.pth", tf.mapping({"a": attack}), {})
    with pytest.raises(DataError):
        checkpoint.read(path)
    good = tf.write_archive(tmp_path / "good.pth", MATRIX, {"0": FLOATS.tobytes()})
    assert list(checkpoint.read(good).tensors) == ["a.weight"]


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((2, 4), (4, 1), 0),
        ((2, 3), (3, 1), 1),
        ((-2, 3), (3, 1), 0),
        ((2, 3), (-3, 1), 5),
        ((1 << 15, 1 << 15), (0, 0), 0),
    ],
    ids=["too long", "starts too late", "negative size", "negative stride", "gigantic"],
)
def test_a_tensor_that_its_storage_cannot_hold_is_refused(
    tmp_path: Path, shape: tuple[int, int], strides: tuple[int, int], offset: int
) -> None:
    body = tf.mapping({"a": tf.tensor("FloatStorage", "0", 6, offset, shape, strides)})
    with pytest.raises(DataError, match="truncated or damaged"):
        checkpoint.read(tf.write_archive(tmp_path / "c.pth", body, {"0": FLOATS.tobytes()}))


@forms
def test_a_number_that_is_wrong_takes_no_memory(tmp_path: Path, form: str) -> None:
    """As a damaged file may say that it has two thousand million memos."""
    memo = pickle.EMPTY_DICT + pickle.LONG_BINPUT + (1 << 23).to_bytes(4, "little") + pickle.POP
    path = _write(tmp_path / "c.pth", form, memo + MATRIX, FLOATS.tobytes(), 6)
    tracemalloc.start()
    assert "a.weight" in checkpoint.read(path).tensors
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@forms
def test_a_file_cut_anywhere_is_one_clear_error(tmp_path: Path, form: str) -> None:
    path = _write(tmp_path / "c.pth", form, MATRIX, FLOATS.tobytes(), 6)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"c\.pth: "):
            checkpoint.read(path)


@forms
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_and_nothing_else(
    tmp_path: Path, form: str, place: float, value: int
) -> None:
    path = _write(tmp_path / "c.pth", form, MATRIX, FLOATS.tobytes(), 6)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] = value
    path.write_bytes(content)
    try:
        tensors = checkpoint.read(path).tensors
    except DataError:
        return
    assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint at all\n", b"\x89PNG\r\n\x1a\n" + bytes(64), pickle.dumps({"a": 1}), pickle.dumps(5)],
    ids=["empty", "text", "picture", "another pickle", "a number"],
)
def test_a_foreign_file_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"expected a PyTorch checkpoint, a \.safetensors or"):
        checkpoint.read(path)


def test_numbers_that_training_kept_beside_the_weights_do_not_disturb(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    kept = {"state_dict": {"a": torch.ones(2)}, "dtype": torch.float16, "scores": np.arange(3), "seen": {1, 2}}
    torch.save(kept, tmp_path / "c.pth")
    assert list(checkpoint.read(tmp_path / "c.pth").tensors) == ["a"]


def test_a_zip_archive_of_something_else_is_called_so(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(DataError, match=r"without data\.pkl"):
        checkpoint.read(tmp_path / "c.pth")


def test_a_checkpoint_without_tensors_says_what_it_holds(tmp_path: Path) -> None:
    path = tf.write_archive(tmp_path / "c.pth", tf.mapping({"epoch": tf.number(3), "lr": tf.number(1)}), {})
    with pytest.raises(DataError, match="found a mapping with epoch, lr"):
        checkpoint.read(path)


@pytest.mark.parametrize("path", ["missing.pth", "."])
def test_what_cannot_be_opened_is_not_found(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        checkpoint.read(tmp_path / path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_what_torch_save_writes(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    base = torch.randn(4, 6)
    state = OrderedDict(
        whole=base,
        turned=base.T,
        part=base[1:3, ::2],
        parameter=torch.nn.Parameter(base[0]),
        half=base.half(),
        double=base.double(),
        brain=base.bfloat16(),
        counter=torch.tensor(7),
        bytes=torch.arange(5, dtype=torch.uint8),
        flags=torch.tensor([True, False]),
        empty=torch.empty(0, 3),
    )
    path = tmp_path / "c.ckpt"
    torch.save({"epoch": 3, "state_dict": state}, path, _use_new_zipfile_serialization=zipped)
    found = checkpoint.read(path).tensors
    assert list(found) == list(state)
    for name, tensor in state.items():
        expected = tensor.detach().float() if name == "brain" else tensor.detach()
        np.testing.assert_array_equal(found[name], expected.numpy())
        assert found[name].dtype == expected.numpy().dtype


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_what_training_leaves_behind_does_not_disturb(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    left = {
        "state_dict": module.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "rank1": np.float64(0.75),
        "hyper_parameters": argparse.Namespace(lr=0.1),
        "callbacks": {"saver": {"best": torch.tensor(0.3), "path": None}},
        "device": torch.device("cpu"),
    }
    torch.save(left, tmp_path / "c.ckpt", _use_new_zipfile_serialization=zipped)
    found = checkpoint.read(tmp_path / "c.ckpt").tensors
    assert list(found) == ["weight", "bias"]
    np.testing.assert_array_equal(found["weight"], module.weight.detach().numpy())


@pytest.mark.parametrize(("name", "count"), [("nanodet-plus-m_416.pth", 645), ("osnet_x0_25_msmt17.pth", 567)])
def test_published_checkpoints_equal_what_torch_reads(data: Path, name: str, count: int) -> None:
    torch = pytest.importorskip("torch")
    found = checkpoint.read(data / "models" / name).tensors
    expected = torch.load(data / "models" / name, map_location="cpu", weights_only=True)
    expected = expected.get("state_dict", expected)
    assert list(found) == list(expected)
    assert len(found) == count
    for key, tensor in expected.items():
        np.testing.assert_array_equal(found[key], tensor.numpy())
