"""Opens a network from a bare ONNX file; what a board runs out of a pack is chosen by `edge.infer.ladder`."""

from pathlib import Path

from edge.errors import UnavailableError
from edge.infer.backend import Backend, BackendName


def open_backend(
    path: Path,
    *,
    name: BackendName = "auto",
    threads: int = 1,
    max_batch: int = 1,
    input_size: tuple[int, int] | None = None,
) -> Backend:
    """The network in ONNX file `path` on ONNX Runtime, with its buffers made and bound.

    `input_size` is width and height of the picture where the file leaves them open. Raises NotFoundError, DataError for
    a file that is no network, UnavailableError for another backend: TensorRT takes engines, and those are built from
    packs.
    """
    if name not in ("auto", "onnxruntime"):
        raise UnavailableError(
            f"{path}: a bare ONNX file runs on ONNX Runtime's CPU only; make a pack of it with nanotrack-export pack"
        )
    from edge.infer.onnxrt.session import OnnxRuntime

    return OnnxRuntime(path, threads=threads, max_batch=max_batch, input_size=input_size)
