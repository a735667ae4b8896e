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
from functools import partial
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


def ultralytics(out: Path, name: str, **options: Any) -> Callable[[np.ndarray], Detections]:
    """ultralytics: a detector by its configuration's name, boxes cut off at the picture's edges; `options` of the
    export."""
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
    shutil.move(model.export(format="onnx", imgsz=SIZE, simplify=False, device="cpu", **options), out / "model.onnx")
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


def yolov5(out: Path) -> Callable[[np.ndarray], Detections]:
    """yolov5: YOLOv5-nano of anchors. Its code leads back by the ratio as if no side had been rounded."""
    import yolov5
    from yolov5.export import export_onnx
    from yolov5.models.yolo import DetectionModel
    from yolov5.utils.augmentations import letterbox
    from yolov5.utils.general import non_max_suppression, scale_boxes

    # Many scores of random weights are equal: of those the earlier row is the better.
    argsort = torch.Tensor.argsort
    torch.Tensor.argsort = lambda self, **options: argsort(self, stable=True, **options)
    torch.manual_seed(0)
    model = DetectionModel(str(Path(yolov5.__file__).parent / "models/yolov5n.yaml"), nc=CLASSES).eval()
    spread(model.model[-1], (3 * (5 + CLASSES),), -1.2)
    model.model[-1].export = True
    export_onnx(model, torch.zeros(1, 3, SIZE, SIZE), out / "model.onnx", 12, False, False)
    network = session(out / "model.onnx")

    def detect(image: np.ndarray) -> Detections:
        pixels, _, _ = letterbox(image, SIZE, auto=False)
        tensor = np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1), np.float32)[None] / 255
        raw = torch.from_numpy(network.run(None, {"images": tensor})[0])
        # Class by class: for all at once it adds 7680 times the class to float32 coordinates.
        each = [non_max_suppression(raw, FLOOR, 0.45, [c], agnostic=True, max_det=100_000)[0] for c in range(CLASSES)]
        found = torch.cat(each)
        return scale_boxes((SIZE, SIZE), found[:, :4], image.shape[:2]), found[:, 4], found[:, 5]

    return detect


def torchvision(out: Path) -> Callable[[np.ndarray], Detections]:
    """torchvision: SSDlite on MobileNetV3, everything in the graph but the resizing to the size of the export.

    What the exported network finds is expected, not what PyTorch does: of boxes whose overlap is the limit to the last
    bit, as anchors' are, theirs keeps others than ONNX Runtime's suppression.
    """
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES, score_thresh=FLOOR)
    model = model.eval()
    spread(model, (6 * CLASSES,), 0.0)
    names = {"input_names": ["image"], "output_names": ["boxes", "scores", "labels"]}
    example = [torch.rand(3, 320, 320)]
    torch.onnx.export(model, (example,), str(out / "model.onnx"), opset_version=16, dynamo=False, **names)
    network = session(out / "model.onnx")

    def detect(image: np.ndarray) -> Detections:
        pixels = cv2.resize(image, (320, 320), interpolation=cv2.INTER_LINEAR)[..., ::-1].transpose(2, 0, 1)
        tensor = np.ascontiguousarray(pixels, np.float32) / 255
        boxes, scores, labels = network.run(["boxes", "scores", "labels"], {"image": tensor})
        return boxes * (np.array([image.shape[1], image.shape[0]] * 2) / 320), scores, labels

    return detect


def rtmdet(out: Path) -> Callable[[np.ndarray], Detections]:
    """rtmdet: RTMDet-tiny, decoded by the package, NMS in the graph, its outputs under MMDeploy's names; pictures as
    MMDetection's configuration of RTMDet prepares them."""
    from rtmdet import RTMDet
    from torchvision.ops import nms

    torch.manual_seed(0)
    model = RTMDet.from_preset("tiny", img_size=SIZE, num_classes=CLASSES, pretrained=False).eval()
    spread(model, (CLASSES,), -1.0)
    for last in model.bbox_head.rtm_reg:
        last.bias.data += 40.0

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> Any:
            (boxes,), (scores,), (classes,) = self.model(pixels)
            # Of 4096 pixels: coordinates of other classes are moved so far away, in float32.
            kept = nms(boxes + 4096.0 * classes[:, None], scores[:, 0], 0.65)
            return torch.cat([boxes, scores], 1)[kept][None], classes[kept][None]

    names = {"input_names": ["input"], "output_names": ["dets", "labels"], "opset_version": 17, "dynamo": False}
    torch.onnx.export(Exported(), torch.rand(1, 3, SIZE, SIZE), str(out / "model.onnx"), **names)
    mean, std = (np.array(v, np.float32) for v in ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395)))
    network = session(out / "model.onnx")

    def detect(image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        ratio = min(SIZE / height, SIZE / width)
        resized = cv2.resize(image, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR)
        padded = np.full((SIZE, SIZE, 3), 114, np.uint8)
        padded[: resized.shape[0], : resized.shape[1]] = resized
        tensor = np.ascontiguousarray(((padded - mean) / std).transpose(2, 0, 1)[None])
        dets, labels = network.run(None, {"input": tensor})
        kept = dets[0, :, 4] >= FLOOR
        scale = [width / resized.shape[1], height / resized.shape[0]] * 2
        return dets[0, kept, :4] * scale, dets[0, kept, 4], labels[0, kept]

    return detect


def yolov6(out: Path, end_to_end: bool = False) -> Callable[[np.ndarray], Detections]:
    """yolov6detect: YOLOv6-nano of Meituan, with ONNX Runtime's NMS in the graph or without."""
    import yolov6
    from yolov6.data.data_augment import letterbox
    from yolov6.models.end2end import ONNX_ORT
    from yolov6.models.yolo import build_model
    from yolov6.utils.config import Config
    from yolov6.utils.nms import non_max_suppression

    torch.manual_seed(0)
    settings = Config.fromfile(str(Path(yolov6.__file__).parent / "configs/yolov6n.py"))
    settings.training_mode = "repvgg"
    model = build_model(settings, CLASSES, "cpu").eval()
    spread(model, (CLASSES,), -2.5)
    model.export = True

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.finish = ONNX_ORT(100_000, 0.45, FLOOR) if end_to_end else None

        def forward(self, pixels: torch.Tensor) -> Any:
            found = self.model(pixels)
            return found if self.finish is None else self.finish(found)

    outputs = ["num_dets", "det_boxes", "det_scores", "det_classes"] if end_to_end else ["outputs"]
    names = {"input_names": ["images"], "output_names": outputs, "opset_version": 13, "dynamo": False}
    torch.onnx.export(Exported(), torch.rand(1, 3, SIZE, SIZE), str(out / "model.onnx"), **names)
    network = session(out / "model.onnx")

    def detect(image: np.ndarray) -> Detections:
        pixels, ratio, (left, top) = letterbox(image, SIZE, auto=False)
        tensor = np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1), np.float32)[None] / 255
        raw = network.run(None, {"images": tensor})
        if end_to_end:
            (count,), boxes, scores, classes = (torch.from_numpy(array[0]) for array in raw)
            found = torch.cat([boxes, scores[:, None], classes[:, None].float()], 1)[:count]
        else:
            (found,) = non_max_suppression(torch.from_numpy(raw[0]), FLOOR, 0.45, max_det=100_000)
        boxes = (found[:, :4] - torch.tensor([left, top] * 2)) / ratio
        return boxes, found[:, 4], found[:, 5]

    return detect


def yolov7(out: Path, end_to_end: bool = False, maps: bool = False) -> Callable[[np.ndarray], Detections]:
    """yolov7_package: a small YOLOv7 of its blocks and head, as its --grid exports it, with --end2end --max-wh, or with
    neither (`maps`). Expected is what the one with --end2end finds: the package's own suppression keeps 300 at most."""
    from yolov7_package.models.experimental import ONNX_ORT
    from yolov7_package.models.yolo import Model
    from yolov7_package.utils.datasets import letterbox

    torch.manual_seed(0)
    anchors = [[12, 16, 19, 36, 40, 28], [36, 75, 76, 55, 72, 146], [142, 110, 192, 243, 459, 401]]
    body = [[-1, 1, "Conv", [8 << i, 3, 2]] for i in range(5)]
    head = [[[2, 3, 4], 1, "IDetect", ["nc", "anchors"]]]
    model = Model({"nc": CLASSES, "depth_multiple": 1.0, "width_multiple": 1.0, "anchors": anchors, "backbone": body,
                   "head": head}).eval()  # fmt: skip
    spread(model, (3 * (5 + CLASSES),), -0.5)
    for factor in model.model[-1].im:
        factor.implicit.data.normal_(1.0, 0.02)  # as in YOLOv7
    model.fuse()
    model.model[-1].concat = True

    class EndToEnd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.finish = ONNX_ORT(100_000, 0.45, FLOOR, 1024)

        def forward(self, pixels: torch.Tensor) -> Any:
            return self.finish(self.model(pixels))

    names = {"input_names": ["images"], "output_names": ["output"], "opset_version": 13, "dynamo": False}
    picture = torch.rand(1, 3, SIZE, SIZE)
    torch.onnx.export(EndToEnd(), picture, str(out / "end2end.onnx"), **names)
    network = session(out / "end2end.onnx")
    if end_to_end:
        shutil.copy(out / "end2end.onnx", out / "model.onnx")
    else:
        model.model[-1].export = maps
        names["output_names"] = ["output", "middle", "coarse"] if maps else ["output"]
        torch.onnx.export(model, picture, str(out / "model.onnx"), **names)

    def detect(image: np.ndarray) -> Detections:
        pixels, (ratio, _), (left, top) = letterbox(image, SIZE, auto=False)
        tensor = np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1), np.float32)[None] / 255
        (rows,) = network.run(None, {"images": tensor})
        return (rows[:, 1:5] - np.array([left, top] * 2)) / ratio, rows[:, 6], rows[:, 5]

    return detect


def transformers(out: Path, kind: str) -> Callable[[np.ndarray], Detections]:
    """transformers: a small RT-DETR, RT-DETRv2 or D-FINE, decoded by its image processor."""
    import transformers as hf

    torch.manual_seed(0)
    backbone = hf.RTDetrResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 64, 64], depths=[1] * 4, layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    settings = {
        "backbone_config": backbone, "encoder_in_channels": [32, 64, 64], "encoder_hidden_dim": 64, "d_model": 64,
        "decoder_in_channels": [64] * 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_layers": 2, "num_labels": CLASSES, "num_queries": 100,
    }  # fmt: skip
    model = getattr(hf, f"{kind}ForObjectDetection")(getattr(hf, f"{kind}Config")(**settings)).eval()
    spread(model, (CLASSES,), -1.0)

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> Any:
            found = self.model(pixel_values=pixels)
            return found.logits, found.pred_boxes

    names = {"input_names": ["pixel_values"], "output_names": ["logits", "pred_boxes"], "opset_version": 17}
    torch.onnx.export(Exported(), torch.rand(1, 3, 320, 320), str(out / "model.onnx"), dynamo=False, **names)
    network, finish = session(out / "model.onnx"), hf.RTDetrImageProcessor()

    def detect(image: np.ndarray) -> Detections:
        pixels = cv2.resize(image, (320, 320), interpolation=cv2.INTER_LINEAR)[..., ::-1].transpose(2, 0, 1)
        tensor = np.ascontiguousarray(pixels, np.float32)[None] / 255
        logits, boxes = (torch.from_numpy(array) for array in network.run(None, {"pixel_values": tensor}))

        class Output:
            logits: torch.Tensor
            pred_boxes: torch.Tensor

        output = Output()  # it takes as many pairs of query and class as there are queries: with blank ones, all
        output.logits = torch.cat([logits, torch.full((1, (CLASSES - 1) * logits.shape[1], CLASSES), -20.0)], 1)
        output.pred_boxes = torch.cat([boxes, torch.zeros(1, (CLASSES - 1) * boxes.shape[1], 4)], 1)
        (found,) = finish.post_process_object_detection(output, FLOOR, torch.tensor([image.shape[:2]]))
        return found["boxes"], found["scores"], found["labels"]

    return detect


def picodet(out: Path) -> Callable[[np.ndarray], Detections]:
    """libreyolo: PicoDet-s, exported with the outputs that PaddleDetection gives it without postprocessing, prepared
    and decoded by its own code."""
    from libreyolo import LibrePICODET
    from libreyolo.models.picodet.utils import preprocess_numpy
    from libreyolo.postprocess.picodet import postprocess

    torch.manual_seed(0)
    side = 224
    model = LibrePICODET(None, size="s", nb_classes=CLASSES, device="cpu").model.eval()
    spread(model.head, (CLASSES + 32,))
    for last in model.head.gfl_cls:  # its code takes at most 1000 of a level
        last.bias.data[:CLASSES] -= 1.0

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> Any:
            scores, sides = ([a.flatten(2).permute(0, 2, 1) for a in part] for part in self.model(pixels))
            return *(a.sigmoid() for a in scores), *sides

    names = [f"{part}{i}" for part in ("scores", "sides") for i in range(4)]
    options = {"input_names": ["image"], "output_names": names, "opset_version": 16, "dynamo": False}
    torch.onnx.export(Exported(), torch.rand(1, 3, side, side), str(out / "model.onnx"), **options)
    network = session(out / "model.onnx")

    def detect(image: np.ndarray) -> Detections:
        tensor, _ = preprocess_numpy(np.ascontiguousarray(image[..., ::-1]), side)
        maps: list[torch.Tensor] = []
        for array, stride in zip(network.run(None, {"image": tensor[None]}), (8, 16, 32, 64) * 2, strict=True):
            cells = -(-side // stride)
            values = torch.from_numpy(array)[0].T.reshape(1, -1, cells, cells)
            maps.append(torch.logit(values) if len(maps) < 4 else values)
        size = image.shape[1::-1]
        result = postprocess((maps[:4], maps[4:]), FLOOR, 0.6, side, size, max_det=100_000)
        return np.reshape(result["boxes"], (-1, 4)), result["scores"], result["classes"]

    return detect


CASES: dict[str, Callable[[Path], Callable[[np.ndarray], Detections]]] = {
    "yolox": yolox,
    "yolox-decoded": lambda out: yolox(out, decoded=True),
    "yolox-legacy": lambda out: yolox(out, legacy=True),
    **{name: partial(ultralytics, name=name) for name in
       ("yolov5n", "yolov8n", "yolov9t", "yolo11n", "yolo12n", "yolov10n", "yolo26n", "yolov8n-pose", "yolov8n-seg",
        "yolov8n-obb", "yolov8n-cls")},
    "yolov10n-end2end": lambda out: ultralytics(out, "yolov10n", nms=False),
    "yolo26n-end2end": lambda out: ultralytics(out, "yolo26n", nms=False),
    "yolo11n-nms": lambda out: ultralytics(out, "yolo11n", nms=True, conf=FLOOR, iou=0.7),
    "yolov5n-anchors": yolov5,
    "torchvision": torchvision,
    "rtmdet": rtmdet,
    "yolov6": yolov6,
    "yolov6-end2end": lambda out: yolov6(out, end_to_end=True),
    "yolov7": yolov7,
    "yolov7-end2end": lambda out: yolov7(out, end_to_end=True),
    "yolov7-maps": lambda out: yolov7(out, maps=True),
    "rt-detr": lambda out: transformers(out, "RTDetr"),
    "rt-detrv2": lambda out: transformers(out, "RTDetrV2"),
    "d-fine": lambda out: transformers(out, "DFine"),
    "picodet": picodet,
    "dfine": dfine,
    "rfdetr": rfdetr,
}  # fmt: skip


def main(case: str, pictures: Path, out: Path) -> None:
    """Write the network, and the expected detections for every picture, sorted by name."""
    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        detect = CASES[case](out)
        if case.endswith(("-pose", "-seg", "-obb", "-cls", "-maps")):
            return
        arrays = dict(_arrays(detect, sorted(pictures.glob("*.png"))))
    np.savez(out / "expected.npz", **arrays)  # type: ignore[arg-type]


def _arrays(detect: Callable[[np.ndarray], Detections], paths: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    for i, path in enumerate(paths):
        picture = cv2.imread(str(path))  # the environment lacks this project
        assert picture is not None
        for name, values in zip(("boxes", "scores", "classes"), detect(picture), strict=True):
            yield f"{name}_{i}", np.asarray(values)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
