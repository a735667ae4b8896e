"""Networks from code that nobody of this project wrote, with random weights, exported and decoded by that code.

Runs in an environment of its own, see `test_foreign.py`: `python foreign_code.py CASE PICTURES OUT`. Into OUT go
`model.onnx`, made by the package's own exporter, and `expected.npz` with what the package's own code makes of the
exported network's outputs for each picture of the folder PICTURES, prepared by the package too: `boxes_N` in pixels of
the picture, `scores_N` and `classes_N`.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch

FLOOR = 0.1
SIZE = 416
CLASSES = 5
Detections = tuple[Any, Any, Any]


def spread(module: torch.nn.Module, scores: tuple[int, ...], prior: float = -1.5) -> None:
    """Give random weights something to say: statistics that differ by channel, and in the last layers, those of as many
    outputs as `scores` says, logits around `prior` that differ by cell."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.3, 1.0)
        last = isinstance(part, (torch.nn.Conv2d, torch.nn.Linear)) and part.weight.shape[0] in scores
        if last and part.bias is not None:
            part.weight.data *= 4
            part.bias.data = prior + 0.5 * torch.randn_like(part.bias)


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def yolox(out: Path, decoded: bool = False, legacy: bool = False) -> Callable[[np.ndarray], Detections]:
    """pixeltable-yolox: YOLOX-nano, raw or decoded; `legacy` pictures."""
    from yolox.config import YoloxNano
    from yolox.data.data_augment import ValTransform
    from yolox.models.network_blocks import SiLU
    from yolox.utils import postprocess
    from yolox.utils.model_utils import replace_module

    config = YoloxNano()
    config.num_classes = CLASSES
    module = config.get_model().eval()
    spread(module.head, (1, CLASSES), 0.0)
    for last in module.head.reg_preds:  # boxes that overlap
        last.bias.data[2:] += 1.2
    module.head.decode_in_inference = decoded
    module = replace_module(module, torch.nn.SiLU, SiLU)
    path = out / "model.onnx"
    example = torch.randn(1, 3, SIZE, SIZE)
    names = {"input_names": ["images"], "output_names": ["output"], "opset_version": 11, "dynamo": False}
    torch.onnx.export(module, example, str(path), **names)  # as yolox.cli.export_onnx does
    network, prepare = session(path), ValTransform(legacy=legacy)
    module.head.hw = [(SIZE // stride,) * 2 for stride in (8, 16, 32)]

    def detect(image: np.ndarray) -> Detections:
        tensor, _ = prepare(image, None, (SIZE, SIZE))
        (raw,) = network.run(None, {"images": tensor[None].astype(np.float32)})
        rows = torch.from_numpy(raw)
        rows = rows if decoded else module.head.decode_outputs(rows, "torch.FloatTensor")
        (found,) = postprocess(rows, CLASSES, FLOOR, 0.65)
        ratio = min(SIZE / image.shape[0], SIZE / image.shape[1])
        return found[:, :4] / ratio, found[:, 4] * found[:, 5], found[:, 6]

    return detect


def ultralytics(out: Path, name: str) -> Callable[[np.ndarray], Detections]:
    """ultralytics: a detector by its configuration's name, boxes cut off at the picture's edges."""
    import torchvision  # noqa: F401  # where it is imported, ultralytics suppresses with it, without a limit of time
    from ultralytics import YOLO
    from ultralytics.data.augment import LetterBox
    from ultralytics.nn.tasks import yaml_model_load
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.ops import scale_boxes

    # Few classes: its suppression adds class times 7680 to float32 coordinates.
    configuration = yaml_model_load(f"{name}.yaml") | {"nc": CLASSES}
    (out / f"{name}.yaml").write_text(json.dumps(configuration))
    model = YOLO(out / f"{name}.yaml")
    spread(model.model.model[-1], (CLASSES,))
    shutil.move(model.export(format="onnx", imgsz=SIZE, simplify=False, device="cpu"), out / "model.onnx")
    network, prepare = session(out / "model.onnx"), LetterBox((SIZE, SIZE), auto=False, stride=32)
    end_to_end = network.get_outputs()[0].shape[-1] == 6

    def detect(image: np.ndarray) -> Detections:
        pixels = prepare(image=image)[..., ::-1].transpose(2, 0, 1)
        tensor = np.ascontiguousarray(pixels, np.float32)[None] / 255
        (raw,) = network.run(None, {"images": tensor})
        if end_to_end:
            found = torch.from_numpy(raw[0])
            found = found[found[:, 4] >= FLOOR]
        else:
            (found,) = non_max_suppression(
                torch.from_numpy(raw), FLOOR, 0.7, max_det=100_000, max_nms=100_000, max_time_img=600
            )
        boxes = scale_boxes((SIZE, SIZE), found[:, :4], image.shape[:2])
        return boxes, found[:, 4], found[:, 5]

    return detect


def dfine(out: Path) -> Callable[[np.ndarray], Detections]:
    """pydfine: D-FINE-nano, its own exporter and postprocessing in the graph; pictures as its ONNX example prepares."""
    from dfine import DFINE

    torch.manual_seed(0)
    model = DFINE("n", imgsz=SIZE - SIZE % 32, device="cpu", num_classes=CLASSES)
    spread(model.model.decoder, (CLASSES,))
    path = model.export(file=out / "model.onnx")
    network = session(path)

    def detect(image: np.ndarray) -> Detections:
        pixels = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)[..., ::-1].transpose(2, 0, 1)
        tensor = np.ascontiguousarray(pixels, np.float32)[None] / 255
        size = np.array([image.shape[1::-1]], np.int64)
        labels, boxes, scores = network.run(None, {"images": tensor, "orig_target_sizes": size})
        kept = scores[0] >= FLOOR
        return boxes[0][kept], scores[0][kept], labels[0][kept]

    return detect


def rfdetr(out: Path) -> Callable[[np.ndarray], Detections]:
    """rfdetr: RF-DETR-nano, its own exporter and PostProcess; boxes cut off at the picture's edges."""
    from rfdetr import RFDETRNano
    from rfdetr.models.postprocess import PostProcess

    torch.manual_seed(0)
    model = RFDETRNano(pretrain_weights=None, device="cpu")
    spread(model.model.model, (91,), -4.0)
    folder = model.export(output_dir=str(out), verbose=False)
    found = next(Path(folder).rglob("*.onnx")) if Path(folder).is_dir() else Path(folder)
    shutil.move(found, out / "model.onnx")
    network = session(out / "model.onnx")
    side = network.get_inputs()[0].shape[-1]
    name = network.get_inputs()[0].name
    finish = PostProcess(num_select=100_000)

    def detect(image: np.ndarray) -> Detections:
        # In pixel values: its encoder keeps the best queries, which the last bit of a pixel would exchange.
        pixels = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)[..., ::-1].astype(np.float32)
        mean, std = (255 * np.array(values) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        pixels = (pixels - mean.astype(np.float32)) / std.astype(np.float32)
        tensor = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
        boxes, logits = (torch.from_numpy(array) for array in network.run(["dets", "labels"], {name: tensor}))
        finish.num_select = logits[0].numel()
        size = torch.tensor([image.shape[:2]])
        (result,) = finish({"pred_logits": logits, "pred_boxes": boxes}, size)
        kept = result["scores"] >= FLOOR
        return result["boxes"][kept], result["scores"][kept], result["labels"][kept]

    return detect


CASES: dict[str, Callable[[Path], Callable[[np.ndarray], Detections]]] = {
    "yolox": yolox,
    "yolox-decoded": lambda out: yolox(out, decoded=True),
    "yolox-legacy": lambda out: yolox(out, legacy=True),
    **{name: lambda out, name=name: ultralytics(out, name) for name in
       ("yolov8n", "yolov9t", "yolo11n", "yolo12n", "yolov10n", "yolo26n", "yolov8n-pose", "yolov8n-seg", "yolov8n-obb",
        "yolov8n-cls")},
    "dfine": dfine,
    "rfdetr": rfdetr,
}  # fmt: skip


def main(case: str, pictures: Path, out: Path) -> None:
    """Write the network, and the expected detections for every picture, sorted by name."""
    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        detect = CASES[case](out)
        if case.endswith(("-pose", "-seg", "-obb", "-cls")):
            return
        arrays = dict(_arrays(detect, sorted(pictures.glob("*.png"))))
    np.savez(out / "expected.npz", **arrays)


def _arrays(detect: Callable[[np.ndarray], Detections], paths: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    for i, path in enumerate(paths):
        for name, values in zip(("boxes", "scores", "classes"), detect(cv2.imread(str(path))), strict=True):
            yield f"{name}_{i}", np.asarray(values)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
