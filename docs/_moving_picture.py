"""Makes pictures/scene.webp: the built-in scene, tracked with the built-in networks.

python docs/_moving_picture.py
"""

import tempfile
from pathlib import Path

import cv2

import edge.cli
import export.cli

HERE = Path(__file__).parent
WEIGHTS = HERE.parent / "edge" / "demo" / "weights"
SCENE = "demo://?people=12&seed=3&fps=12&frames=100"
SKIPPED, SIZE, FPS = 40, (560, 315), 12  # the first frames, while the street fills


def main() -> None:
    """Export, track, shrink, write."""
    with tempfile.TemporaryDirectory() as folder:
        pack, video = f"{folder}/scene.pack", f"{folder}/scene.mp4"
        flags = ["--detector", str(WEIGHTS / "detector.pth"), "--reid", str(WEIGHTS / "reid.pth")]
        assert export.cli.main(["pack", *flags, "-o", pack]) == 0
        assert edge.cli.main(["track", "--path", SCENE, "--model", pack, "--appearance", "ema", "--save", video]) == 0
        source, images = cv2.VideoCapture(video), []
        while (image := source.read()[1]) is not None:
            images.append(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA))
    animation = cv2.Animation()
    animation.frames = images[SKIPPED:]
    animation.durations = [1000 // FPS] * len(animation.frames)
    cv2.imwriteanimation(str(HERE / "pictures" / "scene.webp"), animation, [cv2.IMWRITE_WEBP_QUALITY, 45])


if __name__ == "__main__":
    main()
