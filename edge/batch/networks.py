"""The networks of a run: opened alike by all workers, so that all compute the same."""

from pathlib import Path

from edge.batch.recording import Settings
from edge.chain.pipeline import Pipeline
from edge.errors import NotFoundError, UnavailableError
from edge.modelpack import MANIFEST, Detector, sha256_of


def sha256_of_model(path: Path) -> str:
    """The hash of a pack (its manifest, which holds those of its files) or of an ONNX file. Raises NotFoundError."""
    try:
        return sha256_of(path / MANIFEST if path.is_dir() else path)
    except OSError as error:
        raise NotFoundError(
            f"{path}: expected a model pack or an ONNX file, cannot read it: {error.strerror}"
        ) from error


def open_networks(settings: Settings, threads: int, known: Detector | None = None) -> Pipeline:
    """A pipeline for any recording, see `Pipeline.begin`. Each thread has a frame of its own, so their number decides
    nothing. `known` is the detector as it was understood before. Raises as `Pipeline`.
    """
    return Pipeline(
        settings.model,
        method=settings.method,
        preset=settings.preset,
        appearance=settings.appearance,
        reid_model=settings.reid_model,
        reid=settings.reid,
        classes=settings.classes,
        floor=settings.floor,
        backend=settings.backend,
        variant=settings.variant,
        require=settings.require,
        threads=threads,
        side_by_side=True,
        detect_every=settings.detect_every,
        overrides=settings.overrides,
        known=known,
    )


def running(pipeline: Pipeline) -> tuple[str, ...]:
    """What the networks of a pipeline run on, detector first."""
    detector = pipeline.detector.backend.running
    found = [f"{detector.rung} {detector.variant}".strip()]
    if pipeline.embedder is not None:
        embedder = pipeline.embedder.backend.running
        found.append(f"{embedder.rung} {embedder.variant}".strip())
    return tuple(found)


def open_alike(settings: Settings, threads: int, known: Detector) -> Pipeline:
    """`open_networks` where the run was started, or on another machine.

    Raises UnavailableError where this machine has another model, or runs it in another way, than `settings` say.
    """
    models = ((settings.model, settings.model_sha256), (settings.reid_model, settings.reid_sha256))
    for path, sha256 in models:
        if path is not None and sha256_of_model(Path(path)) != sha256:
            raise UnavailableError(f"{path}: another model than where the run was started; copy it to every machine")
    pipeline = open_networks(settings, threads, known)
    if (found := running(pipeline)) != settings.networks:
        raise UnavailableError(
            f"{settings.model}: runs on {', '.join(found)} here, the run began with {', '.join(settings.networks)};"
            " name what all machines have with --require"
        )
    return pipeline
