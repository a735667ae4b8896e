"""Appearance networks of the projects themselves, with random weights, saved as the projects save them.

Runs in the environment of `tests/detect/families/test_foreign.py`: `python foreign_reid_code.py CASE CROPS OUT`. Into
OUT go the checkpoint `model.pth` and, in `expected.npy`, the embeddings that the project's own code makes of the crops
(uint8 RGB `[N, 256, 128, 3]`, in the file CROPS).
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

IMAGENET = (255 * np.array([0.485, 0.456, 0.406]), 255 * np.array([0.229, 0.224, 0.225]))
Network = tuple[torch.nn.Module, dict[str, object], Callable[[torch.Tensor], torch.Tensor]]


def spread(module: torch.nn.Module, trunk: torch.nn.Module, crops: torch.Tensor) -> None:
    """Factors and statistics that differ by channel, so that every norm counts: of the `trunk` those of some crops."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            part.momentum = 1.0
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if getattr(part, "weight", None) is not None and part.weight.ndim == 1:
            part.weight.data.uniform_(0.6, 1.4)
    with torch.no_grad():
        trunk.train()(crops)
    module.eval()


def torchreid(name: str) -> Network:
    """torchreid: by the name in its model zoo, saved as its `save_checkpoint` does."""
    from torchreid.reid.models import build_model

    model = build_model(name, num_classes=5, pretrained=False)
    mean, std = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1) for v in IMAGENET)
    spread(model, model, (torch.rand(8, 3, 256, 128) * 255 - mean) / std)
    return model, {"state_dict": model.state_dict(), "epoch": 3}, lambda crops: model((crops - mean) / std)


def fastreid(**options: object) -> Network:
    """fast-reid: its strong baseline on ResNet-50 with these options, saved as its `Checkpointer` does."""
    from fastreid.config import get_cfg
    from fastreid.modeling.meta_arch import build_model

    cfg = get_cfg()
    said = {"MODEL.DEVICE": "cpu", "MODEL.BACKBONE.PRETRAIN": False, "MODEL.BACKBONE.WITH_NL": False,
            "MODEL.HEADS.NUM_CLASSES": 5, "MODEL.HEADS.WITH_BNNECK": True, **options}  # fmt: skip
    cfg.merge_from_list([part for pair in said.items() for part in pair])
    model = build_model(cfg)
    spread(model, model.backbone, torch.randn(8, 3, 256, 128))
    return model, {"model": model.state_dict()}, lambda crops: model({"images": crops})


CASES: dict[str, Callable[[], Network]] = {
    **{name: partial(torchreid, name) for name in
       ("resnet50", "resnet50_fc512", "mobilenetv2_x1_0", "osnet_x0_25", "osnet_ain_x1_0", "osnet_ibn_x1_0",
        "squeezenet1_0")},
    "bagtricks": fastreid,
    "gem": lambda: fastreid(**{"MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPoolingP"}),
    "ibn": lambda: fastreid(**{"MODEL.BACKBONE.WITH_IBN": True}),
    "short": lambda: fastreid(**{"MODEL.HEADS.EMBEDDING_DIM": 256}),
    "no neck": lambda: fastreid(**{"MODEL.HEADS.WITH_BNNECK": False}),
    "non-local": lambda: fastreid(**{"MODEL.BACKBONE.WITH_NL": True}),
}  # fmt: skip


def main(case: str, crops: Path, out: Path) -> None:
    """Write the checkpoint and the embeddings."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    _, saved, embed = CASES[case]()
    torch.save(saved, out / "model.pth")
    with torch.no_grad():
        tensor = torch.from_numpy(np.load(crops).transpose(0, 3, 1, 2).astype(np.float32))
        np.save(out / "expected.npy", embed(tensor).numpy())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
