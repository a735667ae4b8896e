"""What limits the speed, in sentences: which stage, what share of a frame, and what to try."""

from edge.profile.measure import WHOLE
from edge.profile.report import Live, Rate, Setup, Stage

# What can be done about a stage that takes the most.
_REMEDIES = {
    "decode": "a smaller or less compressed video, or the board's hardware decoder",
    "preprocess": "a source with fewer pixels: its whole picture is read to be shrunk",
    "decode+nms": "a higher --conf, which leaves fewer boxes",
    "track": "--tracking-method bytetrack, or a higher --conf",
    "mot": "a faster disk for what is written",
    "jsonl": "a faster disk for what is written",
}
_BIG = 0.1  # a share of a frame worth a sentence
_NOT_STAGES = (WHOLE, "wait", "decode")


def findings(setup: Setup, rate: Rate, stages: tuple[Stage, ...], live: Live | None, cores: int) -> tuple[str, ...]:
    """What limits the speed and what to try, the most important first."""
    by_name = {stage.name: stage for stage in stages}
    period_ms = 1000 * rate.seconds / rate.frames
    found = []
    waiting = by_name["wait"].total_ms / rate.frames / period_ms if "wait" in by_name else 0.0
    if waiting > _BIG:
        decode_ms = by_name["decode"].mean_ms
        found.append(
            f"decoding limits: {waiting:.0%} of the time everything waits for the next frame, which takes"
            f" {decode_ms:.2f} ms to decode; try {_REMEDIES['decode']}"
        )
    inner = [stage for stage in stages if stage.name not in _NOT_STAGES]
    largest = max(inner, key=lambda stage: stage.total_ms)
    share = largest.total_ms / rate.frames / period_ms
    where = "limits" if not found else "comes next"
    taken = f"{largest.mean_ms:.2f} ms, {share:.0%} of a frame"
    found.append(f"{largest.name} {where}: {taken}; try {_remedy(largest, setup, cores)}")
    infer = by_name.get("infer")
    if infer is not None:
        around_ms = by_name[WHOLE].mean_ms - infer.total_ms / rate.frames
        found.append(
            f"everything around inference takes {around_ms:.2f} ms a frame,"
            f" {around_ms / infer.mean_ms:.1%} of inference"
        )
    if live is not None:
        found.append(_of_live(live, rate))
    return tuple(found)


def _remedy(stage: Stage, setup: Setup, cores: int) -> str:
    if stage.name != "infer":
        return _REMEDIES.get(stage.name, "nanotrack profile --trace to see when it runs")
    ways = []
    if setup.rung.endswith("fp32"):
        ways.append("an int8 variant (nanotrack-export pack --calibrate)")
    if setup.rung.startswith(("onnxruntime", "openvino")) and setup.threads < cores:
        ways.append(f"--threads {cores}")
    ways.append("a pack with a smaller input")
    return " or ".join(ways)


def _of_live(live: Live, rate: Rate) -> str:
    if rate.fps < live.frame_rate:
        return (
            f"the camera's {live.frame_rate:g} FPS are more than this board tracks: {live.dropped / live.offered:.0%}"
            f" of the frames were dropped, the results were {live.age_p50_ms:.0f} ms old (p50)"
        )
    return (
        f"the camera's {live.frame_rate:g} FPS leave room: {rate.fps:.1f} are possible, results were"
        f" {live.age_p50_ms:.0f} ms old (p50)"
    )
