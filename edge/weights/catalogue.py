"""The official weights that are known by name, where they are published and what they may be used for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Published weights. `sha256` is None where nobody has published one: then length and kind of file are checked."""

    file: str
    url: str
    what: str
    source: str
    licence: str
    sha256: str | None = None


_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/object_detection_nanodet/"
_DRIVE = "https://drive.google.com/uc?export=download&id="


def _nanodet(file: str, what: str) -> Weights:
    release = "https://github.com/RangiLyu/nanodet/releases/download/v1.0.0-alpha-1/"
    return Weights(file, release + file, what, "RangiLyu/nanodet, release v1.0.0-alpha-1", "Apache-2.0")


CATALOGUE = {
    "nanodet-plus-m-320": _nanodet("nanodet-plus-m_320_checkpoint.ckpt", "NanoDet-Plus-m, 320x320, COCO"),
    "nanodet-plus-m-416": _nanodet("nanodet-plus-m_416_checkpoint.ckpt", "NanoDet-Plus-m, 416x416, COCO"),
    "nanodet-plus-m-1.5x-320": _nanodet(
        "nanodet-plus-m-1.5x_320_checkpoint.ckpt", "NanoDet-Plus-m-1.5x, 320x320, COCO"
    ),
    "nanodet-plus-m-1.5x-416": _nanodet(
        "nanodet-plus-m-1.5x_416_checkpoint.ckpt", "NanoDet-Plus-m-1.5x, 416x416, COCO"
    ),
    "nanodet-m-416-zoo": Weights(
        "object_detection_nanodet_2022nov.onnx",
        _ZOO + "object_detection_nanodet_2022nov.onnx",
        "NanoDet-m v0.x, 416x416, COCO, as ONNX",
        "opencv/opencv_zoo",
        "Apache-2.0",
        "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186",
    ),
    "osnet-x0.25-msmt17": Weights(
        "osnet_x0_25_msmt17.pth",
        _DRIVE + "1sSwXSUlj4_tHZequ_iZ8w_Jh0VaRQMqF",
        "OSNet x0.25, MSMT17",
        "KaiyangZhou/deep-person-reid",
        "MIT; the data set is for research only",
        "6f57607fed9f502b9efed546108132ee715df5a5b6e6932c6269bacb47f59f99",
    ),
    "osnet-x0.25-msmt17-combineall": Weights(
        "osnet_x0_25_msmt17_combineall.pth",
        "https://huggingface.co/kaiyangzhou/osnet/resolve/main/osnet_x0_25_msmt17_combineall_256x128_amsgrad_ep150_"
        "stp60_lr0.0015_b64_fb10_softmax_labelsmooth_flip_jitter.pth",
        "OSNet x0.25, all of MSMT17",
        "kaiyangzhou/osnet at Hugging Face",
        "MIT; the data set is for research only",
        "cf55163d78fc44c62c82f85ab62d39f10438679b5abe8c698ae08cfa84aa6e18",
    ),
}
