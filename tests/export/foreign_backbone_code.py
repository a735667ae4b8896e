"""Backbones of timm with random weights, under the names that they have in NanoDet's checkpoints.

Runs in the environment of `tests/detect/families/test_foreign.py`: `python foreign_backbone_code.py CASE PICTURE OUT`.
Into OUT go the checkpoint `model.pth` and, in `expected.npz`, the features of strides 8, 16 and 32 that timm's own code
makes of PICTURE (float32 `[1, 3, H, W]`, prepared already), in the order of `arr_0`, `arr_1`, `arr_2`.
"""

import re
import sys
from pathlib import Path

import numpy as np
import timm
import torch

# timm's name, options, and its names of layers in NanoDet's words, in the order in which they are tried.
BOTTLENECK = {"conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv"}
CASES = {
    "lite0": ("efficientnet_lite0", {"bn_eps": 1e-3}),
    "lite1": ("efficientnet_lite1", {"bn_eps": 1e-3}),
    "lite2": ("efficientnet_lite2", {"bn_eps": 1e-3}),
    "repvgg_a0": ("repvgg_a0", {}),
    "repvgg_a1": ("repvgg_a1", {}),
    "repvgg_b0": ("repvgg_b0", {}),
}


def lite(name: str) -> str:
    """NanoDet's name of a tensor of timm's EfficientNet-Lite."""
    name = name.replace("conv_stem.", "stem.0.")
    if name.startswith("bn1."):
        return name.replace("bn1.", "stem.1.", 1)
    first = name.startswith("blocks.0.")  # whose blocks do not expand: depthwise, then to fewer channels
    layers = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    if not first:
        layers = {"conv_pwl": "_project_conv", "bn3": "_bn2", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
                  "conv_pw": "_expand_conv", "bn1": "_bn0"}  # fmt: skip
    return re.sub(r"^(blocks\.\d+\.\d+)\.(\w+)\.", lambda m: f"{m[1]}.{layers[m[2]]}.", name)


def repvgg(name: str) -> str:
    """NanoDet's name of a tensor of timm's RepVGG."""
    name = re.sub(r"^stages_(\d+)\.", lambda m: f"stage{int(m[1]) + 1}.", name.replace("stem.", "stage0."))
    for branch, short in (("conv_kxk", "rbr_dense"), ("conv_1x1", "rbr_1x1")):
        name = name.replace(f"{branch}.conv.", f"{short}.0.").replace(f"{branch}.bn.", f"{short}.1.")
    return name.replace("identity.", "rbr_identity.")


def spread(module: torch.nn.Module) -> None:
    """Statistics and factors that differ by channel, so that every norm counts."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.4, 1.2)
            part.bias.data.normal_(0, 0.2)


def main(case: str, picture: Path, out: Path) -> None:
    """Write the checkpoint and the features."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    name, options = CASES[case]
    model = timm.create_model(name, pretrained=False, features_only=True, out_indices=(2, 3, 4), **options).eval()
    spread(model)
    rename = repvgg if name.startswith("repvgg") else lite
    tensors = {f"backbone.{rename(key)}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": tensors}, out / "model.pth")
    with torch.no_grad():
        np.savez(out / "expected.npz", *(x.numpy() for x in model(torch.from_numpy(np.load(picture)))))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
