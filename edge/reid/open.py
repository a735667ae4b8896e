"""Appearance networks by path: out of a model pack, or an ONNX file that is understood by its inputs and outputs."""

from pathlib import Path

from edge import modelpack
from edge.errors import NotFoundError, UsageError
from edge.infer.backend import Backend
from edge.infer.ladder import Ladder, Wish
from edge.infer.onnxrt import trial
from edge.infer.open import open_backend
from edge.modelpack import ModelPack
from edge.reid import adopt
from edge.reid.embedder import Embedder
from edge.spans import Spans

MAX_BATCH = 16  # crops a run: beyond it a crop gets no cheaper on a CPU


def open_embedder(model: ModelPack | Path | str, wish: Wish, spans: Spans | None = None) -> Embedder:
    """The embedder of a pack, its folder, or an ONNX file; a pack's runs on its best rung of `wish`'s library.

    Raises NotFoundError, DataError or UnavailableError with what is wrong, UsageError for a pack without one.
    """
    network: Backend
    model = Path(model) if isinstance(model, str) else model
    if isinstance(model, Path) and model.is_file():
        modelpack.refuse_checkpoint(model, "--reid")
        trial.require_bearable(model, MAX_BATCH)
        network = open_backend(model, name=wish.backend, threads=wish.threads, max_batch=MAX_BATCH)
        description = adopt.reid(model.name, modelpack.sha256_of(model), network.input_ports, network.output_ports)
        adopt.check(model, description)
        return Embedder(description, network, spans=spans)
    if isinstance(model, Path) and not model.exists():
        raise NotFoundError(f"{model}: expected a model pack or an ONNX file, found nothing there")
    pack = model if isinstance(model, ModelPack) else modelpack.read(model)
    if pack.reid is None:
        raise UsageError(
            f"{pack.folder}: has no appearance network; export it with --reid, give --reid-model, or --appearance none"
        )
    return Embedder(pack.reid, Ladder(wish.relaxed()).open(pack, "reid", MAX_BATCH), spans=spans)
