"""ONNX files of other exporters in the one form that the rest knows: same function, float32, fixed sizes, one file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edge.errors import DataError, NotFoundError, UsageError
from export import adopted, onnxfile
from tests.export import foreign
from tests.export.onnxrun import run

PICTURE = np.random.default_rng(3).random((1, 3, 64, 64)).astype(np.float32)


def _ports(found: adopted.Adopted) -> list[str]:
    return [str(port) for ports in onnxfile.ports(found.model) for port in ports]


def _assert_same_function(found: adopted.Adopted, original: onnx.ModelProto, tolerance: float = 1e-6) -> None:
    (port,) = (v for v in original.graph.input)
    half = port.type.tensor_type.elem_type == TensorProto.FLOAT16
    expected = run(original, images=PICTURE.astype(np.float16) if half else PICTURE)["output"]
    np.testing.assert_allclose(run(found.content, images=PICTURE)["output"], expected, atol=tolerance)


def test_a_file_in_that_form_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = foreign.save(tmp_path / "d.onnx", foreign.detector())
    assert adopted.detector(path).content == path.read_bytes()


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 15, 17, 18, 19, 21, 23])
def test_every_opset_that_exporters_write(tmp_path: Path, opset: int) -> None:
    path = foreign.save(tmp_path / "d.onnx", foreign.detector(opset=opset))
    found = adopted.detector(path)
    assert found.content == path.read_bytes()
    assert onnxfile.opset(found.model) == opset


@pytest.mark.parametrize("where", ["one file", "a file each", "constants"])
def test_weights_in_other_files_are_taken_in(tmp_path: Path, where: str) -> None:
    model = foreign.detector()
    expected = foreign.detector()
    if where == "constants":
        (shape,) = (t for t in model.graph.initializer if t.name == "constants")
        node = onnx.helper.make_node("Constant", [], ["constants"], value=shape)
        model.graph.node.insert(0, node)
        model.graph.initializer.remove(shape)
    folder = tmp_path / "original"
    folder.mkdir()
    onnx.save(
        model,
        folder / "d.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=where != "a file each",
        size_threshold=0,
        convert_attribute=True,
    )
    assert len(list(folder.iterdir())) > 1
    found = adopted.detector(folder / "d.onnx")
    for file in folder.iterdir():
        file.unlink()
    _assert_same_function(found, expected)


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "", "/dev/zero"])
def test_weights_that_lie_outside_of_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(1 << 20))
    (tmp_path / "inside").mkdir()
    path = _external(tmp_path / "inside" / "d.onnx", location=location)
    with pytest.raises(DataError, match="expected a file beside it"):
        adopted.detector(path)


@pytest.mark.parametrize("change", [{"offset": "1"}, {"offset": "-1"}, {"length": "4"}, {"length": "99999999"}])
def test_weights_that_are_not_where_they_should_be_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    path = _external(tmp_path / "d.onnx", location="w.bin", **change)
    (tmp_path / "w.bin").write_bytes(bytes(12))
    with pytest.raises(DataError, match=r"copy both files again"):
        adopted.detector(path)


def test_a_missing_file_of_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"weights lie in 'w.bin', which cannot be read .*copy that file too"):
        adopted.detector(_external(tmp_path / "d.onnx", location="w.bin"))


def _external(path: Path, **said: str) -> Path:
    model = foreign.detector()
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in said.items():
        entry = kernel.external_data.add()
        entry.key, entry.value = key, value
    return foreign.save(path, model)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    model = foreign.detector(dtype=TensorProto.FLOAT16)
    found = adopted.detector(foreign.save(tmp_path / "d.onnx", model))
    assert _ports(found) == ["images float32[1,3,64,64]", "output float32[1,85,33]"]
    _assert_same_function(found, model, 2e-3)


def test_casts_and_constants_in_half_precision_become_float32(tmp_path: Path) -> None:
    """As of an exporter that leaves inputs and outputs in float32 and computes in halves between."""
    model = foreign.detector(dtype=TensorProto.FLOAT16)
    graph = model.graph
    for value, (old, new) in zip(
        (graph.input[0], graph.output[0]), (("images", "pixels"), ("output", "rows")), strict=True
    ):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
    graph.node.insert(0, onnx.helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT16))
    graph.node.append(onnx.helper.make_node("Cast", ["rows"], ["output"], to=TensorProto.FLOAT))
    found = adopted.detector(foreign.save(tmp_path / "d.onnx", model))
    assert all(tensor.data_type != TensorProto.FLOAT16 for tensor in onnxfile.tensors(found.model.graph))
    _assert_same_function(found, model, 2e-3)


def test_an_open_size_is_asked_for_and_then_fixed(tmp_path: Path) -> None:
    model = foreign.detector(shape=("n", 3, "h", "w"), rows=("n", "cells", 33))
    path = foreign.save(tmp_path / "d.onnx", model)
    with pytest.raises(DataError, match=r"leaves the size of its picture open .*--input-size"):
        adopted.detector(path)
    found = adopted.detector(path, (64, 64))
    assert _ports(found) == ["images float32[1,3,64,64]", "output float32[1,85,33]"]
    _assert_same_function(found, model)


def test_another_size_than_the_fixed_one_is_refused(tmp_path: Path) -> None:
    path = foreign.save(tmp_path / "d.onnx", foreign.detector())
    assert adopted.detector(path, (64, 64)).content == path.read_bytes()
    with pytest.raises(UsageError, match="fixed width of 64, found 96"):
        adopted.detector(path, (96, 64))


def test_a_batch_that_is_not_one_becomes_one_where_only_the_shapes_said_so(tmp_path: Path) -> None:
    model = foreign.detector(shape=(4, 3, 64, 64), rows=(4, foreign.CELLS, 33))
    found = adopted.detector(foreign.save(tmp_path / "d.onnx", model))
    assert _ports(found) == ["images float32[1,3,64,64]", "output float32[1,85,33]"]
    _assert_same_function(found, foreign.detector())


def test_a_batch_that_is_not_one_is_refused_where_the_network_needs_it(tmp_path: Path) -> None:
    model = foreign.detector(shape=(4, 3, 64, 64), rows=(4, foreign.CELLS, 33))
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.array([4, 1, 1]), "shape"))
    with pytest.raises(DataError, match="takes 4 pictures at once"):
        adopted.detector(foreign.save(tmp_path / "d.onnx", model))


def test_further_outputs_stay(tmp_path: Path) -> None:
    found = adopted.detector(foreign.save(tmp_path / "d.onnx", foreign.detector(extra=True)))
    assert _ports(found)[1:] == ["output float32[1,85,33]", "means float32[1,3,1,1]"]


def test_as_many_rows_as_there_are_objects_stay_open(tmp_path: Path) -> None:
    path = foreign.save(tmp_path / "d.onnx", foreign.with_nms())
    found = adopted.detector(path)
    assert found.content == path.read_bytes()
    assert _ports(found)[1] == "output float32[1,?,6]"


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_reid_networks_keep_their_batch(tmp_path: Path, batch: str | int) -> None:
    path = foreign.save(tmp_path / "r.onnx", foreign.reid(batch=batch))
    assert adopted.reid(path).content == path.read_bytes()


def test_a_batch_that_is_free_in_name_only_is_refused(tmp_path: Path) -> None:
    path = foreign.save(tmp_path / "r.onnx", foreign.reid(wired=2))
    with pytest.raises(DataError, match=r"run with 1 and 3 crops, since its batch is called free"):
        adopted.reid(path)
    assert adopted.reid(foreign.save(path, foreign.reid(batch=2, wired=2))).content == path.read_bytes()


def test_a_reid_network_in_half_precision_of_open_size(tmp_path: Path) -> None:
    path = foreign.save(tmp_path / "r.onnx", foreign.reid(size=("h", "w"), dtype=TensorProto.FLOAT16))
    found = adopted.reid(path, (8, 16))
    assert _ports(found) == ["input float32[?,3,16,8]", "output float32[?,3]"]
    crops = np.random.default_rng(1).random((3, 3, 16, 8)).astype(np.float32)
    np.testing.assert_allclose(run(found.content, input=crops)["output"], crops.mean((2, 3)), atol=1e-5)


def test_one_of_several_outputs_is_the_embedding(tmp_path: Path) -> None:
    model = foreign.reid()
    model.graph.output.append(onnx.helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n", 3, 1, 1]))
    path = foreign.save(tmp_path / "r.onnx", model)
    with pytest.raises(DataError, match=r"output float32\[\?,3\], mean float32\[\?,3,1,1\]; say which .*--reid-output"):
        adopted.reid(path)
    with pytest.raises(UsageError, match=r"--reid-output logits: .* has no such output, only output"):
        adopted.reid(path, output="logits")
    assert _ports(adopted.reid(path, output="output"))[1:] == ["output float32[?,3]"]


@pytest.mark.parametrize("batch", ["n", 2])
def test_a_map_of_features_is_pooled(tmp_path: Path, batch: str | int) -> None:
    model = foreign.reid(batch=batch)
    del model.graph.node[:], model.graph.output[:], model.graph.initializer[:]
    model.graph.node.append(
        onnx.helper.make_node("AveragePool", ["input"], ["map"], kernel_shape=[4, 4], strides=[4, 4])
    )
    model.graph.output.append(onnx.helper.make_tensor_value_info("map", TensorProto.FLOAT, [batch, 3, 4, 2]))
    found = adopted.reid(foreign.save(tmp_path / "r.onnx", model))
    crops = np.random.default_rng(1).random((2, 3, 16, 8)).astype(np.float32)
    np.testing.assert_allclose(run(found.content, input=crops)["map.pooled"], crops.mean((2, 3)), atol=1e-6)


def test_what_pytorch_writes_by_default(tmp_path: Path) -> None:
    """External data and fixed sizes, by the exporter that is the default since PyTorch 2.9."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(2)).eval()
    picture = torch.from_numpy(PICTURE)
    torch.onnx.export(network, (picture,), str(tmp_path / "d.onnx"), input_names=["images"], output_names=["output"])
    assert (tmp_path / "d.onnx.data").exists()
    found = adopted.detector(tmp_path / "d.onnx")
    with torch.no_grad():
        np.testing.assert_allclose(run(found.content, images=PICTURE)["output"], network(picture).numpy(), atol=1e-5)
