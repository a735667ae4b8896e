"""Distribution `nanotrack-edge`: the runtime (`edge`), the exporter (`export`) and the calibration (`calibration`)."""

from pathlib import Path

from setuptools import find_packages, setup

EXPORT = ["onnx>=1.17,<2"]
MQTT = ["paho-mqtt>=2.1"]
WEB = ["prometheus-client>=0.20"]

setup(
    name="nanotrack-edge",
    version="0.1.0",
    description="Real-time multi-object tracking for Jetson-class and CPU-only boards",
    long_description=Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    # `export` and `calibration` are generic names, and `tests` must never be installed.
    packages=find_packages(include=["edge", "edge.*", "export", "export.*", "calibration"]),
    package_data={
        "edge": ["py.typed", "deploy/*"],
        "edge.demo": ["weights/*"],
        "edge.profile": ["*.json"],
        "edge.service.web": ["*.html"],
        "edge.sinks": ["*.json"],
    },
    install_requires=[
        "numpy>=1.26,<2.6",
        "numba>=0.61",
        "opencv-python-headless>=4.10",
        "onnxruntime>=1.19",
        'tomli>=2; python_version < "3.11"',
        "rich>=13",  # progress bars and tables; pure Python
    ],
    extras_require={
        "export": EXPORT,
        "jetson": ["pycuda>=2024.1"],  # TensorRT itself comes with JetPack
        "mqtt": MQTT,
        "web": WEB,
        "val": ["scipy>=1.11"],  # TrackEval needs it; `nanotrack val` says how to install TrackEval
        "train": ["torch>=2.4"],
        # Trackers to time beside ours, and pictures. Some bring a second OpenCV: for an environment of its own.
        "bench": [
            "matplotlib>=3.8",
            "scipy>=1.11",
            "cjm-byte-track==0.0.6",
            "ioutrack-rs==0.4.0",
            "trackers==2.6.1",
            "trackforge==0.4.0",
            "visiontrack-cpp==0.1.1",
        ],
        "test": [
            *EXPORT,
            *MQTT,
            *WEB,
            "scipy>=1.11",
            "pytest>=8",
            "pytest-xdist>=3",
            "hypothesis>=6.100",
            "ruff>=0.6",
            "mypy>=1.11",
        ],
    },
    entry_points={"console_scripts": ["nanotrack=edge.cli:main", "nanotrack-export=export.cli:main"]},
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
