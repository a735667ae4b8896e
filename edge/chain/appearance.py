"""Whether a chain compares embeddings, where a user said only part of it."""

from edge.track.registry import choose


def appearance_of(method: str, preset: str, wanted: str | None, has_model: bool) -> str | None:
    """How `method` remembers embeddings: as `wanted`; where a ReID model is given without a word, a running mean.

    None is the method's own way: those that go by appearance alone have one, the published trackers that go by motion
    ignore a ReID model. Raises UsageError for a method or preset that is unknown.
    """
    if wanted is None and has_model:
        choice = choose(method, preset)
        if choice.takes_appearance and not choice.needs_embeddings:
            return "ema"
    return wanted
