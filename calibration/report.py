"""`report.html`: one plain, self-contained file: what INT8 costs a network in accuracy and what it gains in speed."""

import datetime
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from calibration import charts
from calibration.gate import TRUTH_SCORE, Agreement, Verdict
from calibration.joint_gate import JointAgreement
from calibration.judges import judge_of
from calibration.network import Network
from calibration.outcome import Calibration, Outcome
from calibration.runtime import Array, Feed, Runner
from calibration.search import Quantized
from edge.modelpack import Detector

SHOWN_PICTURES = 6
SHOWN_LAYERS = 9
_ROUNDS = 25
_WORTH_IT = 1.05  # times as fast as float32; less is noise

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #fff; --quiet: #55616f; --line: #d8dee6; --bar: #3b73b9;
  --hollow: #9fb3cc; --right: #14733a; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #14181d; --quiet: #9aa6b4; --line: #333c46;
  --bar: #6ea3e6; --hollow: #5b708a; --right: #6fcf8f; --wrong: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1080px;
  margin: 2.5em auto; padding: 0 1.5em; }
h1 { font-size: 1.7em; margin: 0 0 .2em; } h2 { font-size: 1.25em; margin: 2.2em 0 .4em;
  border-top: 1px solid var(--line); padding-top: .8em; } h3 { font-size: 1em; margin: 1.4em 0 .3em; }
p.verdict { font-size: 1.15em; max-width: 46em; margin: .5em 0 .8em; }
p.lead, p.note { color: var(--quiet); margin: .2em 0 .8em; max-width: 52em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
svg { max-width: 100%; } th { text-align: left; font-weight: 600; color: var(--quiet); }
th, td { padding: .22em .7em .22em 0; vertical-align: top; }
table.figures tr + tr { border-top: 1px solid var(--line); } tr.limits td { color: var(--quiet); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name, code { font: 13px/1.5 ui-monospace, monospace; } td.name { overflow-wrap: anywhere; }
table.bars td { padding: .05em 1em .05em 0; vertical-align: middle; } tr.chosen td { font-weight: 700; }
.yes { color: var(--right); font-weight: 600; } .no { color: var(--wrong); font-weight: 600; }
svg .bar { fill: var(--bar); } svg .minus { fill: none; stroke: var(--hollow); } svg .grid { stroke: var(--line); }
svg line.limit { stroke: var(--wrong); stroke-width: 1.5; } svg text { font: 11px system-ui, sans-serif;
  fill: var(--quiet); text-anchor: end; } svg text.limit { fill: var(--wrong); }
.tiles { display: flex; flex-wrap: wrap; gap: 1.1em 1.3em; } .tiles figure { margin: 0; }
figcaption { font-size: 12.5px; color: var(--quiet); max-width: 330px; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5em; margin: .4em 0 1.2em; } .pair img { width: 100%; }
@media (max-width: 700px) { body { padding: 0 1em; }
  table.bars tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: center; }
  table.bars td.name { grid-column: 1 / -1; padding-top: .5em; } .pair { grid-template-columns: 1fr; } }
dt { font-weight: 600; } dd { margin: 0 0 .5em 1.2em; color: var(--quiet); max-width: 52em; }
"""
_WORDS = {
    "fp32, int8": "the network in 32 bit floating-point numbers, and with most layers in 8 bit integers for CPUs",
    "qdq, fp16, qdq_fp16": "the variants for TensorRT: integers marked by pairs of quantize and dequantize, 16 bit"
    " floating-point numbers, and both",
    "held out": "pictures that were not used to choose anything: half of those given",
    "AP .5, AP .5:.95": "average precision of the variant's boxes, taking float32's as truth: the share found and"
    " right, at an overlap (IoU) of .5, and the mean over overlaps of .5 to .95; 1 is no difference",
    "score bias": "how much higher the variant's scores are on average",
    "cosine": "how alike embeddings are to float32's: 1 is the same direction",
    "gate, limits": "what a variant must reach to be chosen automatically; --limits changes it",
    "p50, p90": "half and nine tenths of all runs were faster",
    "equalisation": "channels scaled against each other before quantization, so that one range fits all",
    "ranges": "how the interval that eight bits cover is chosen for each tensor: by the least error in some power (l2,"
    " l3), a percentile, the entropy, or the largest value",
    "dB": "ten times the decimal logarithm of signal over noise: 20 dB is noise of a tenth of the signal",
}


class _Column(NamedTuple):
    """A figure of a verdict and of the limits: its title and name in both, how it is written and what is best."""

    title: str
    name: str
    form: str
    sign: str
    perfect: str


_JOINT_COLUMNS = (
    _Column("AP .5", "ap50", ".3f", "&ge;", "1"),
    _Column("AP .5:.95", "ap", ".3f", "&ge;", "1"),
    _Column("score bias", "score_bias", "+.4f", "&plusmn;", "0"),
    _Column("offset", "way_back", ".4f", "&le;", "0"),
    _Column("moved", "moved", ".3f", "&le;", "0"),
    _Column("cosine mean", "cosine_mean", ".4f", "&ge;", "1"),
    _Column("cosine 1st pct.", "cosine_p1", ".4f", "&ge;", "1"),
)
_OFFSETS = (
    " Offset: how far off the offset to the previous frame is, as a share of the box's size."
    " Moved: the share of peaks in another cell, whose embeddings are not compared."
)


class Timing(NamedTuple):
    """Median and 90th percentile of a variant's run on this machine, milliseconds."""

    p50_ms: float
    p90_ms: float


def page(name: str, calibration: Calibration, contents: Mapping[str, bytes], detector: Detector) -> str:
    """The report on `calibration` as HTML; `contents` are the float files by network. Times the variants, too."""
    parts = [
        f"<!doctype html><meta charset=utf-8><meta name=color-scheme content='light dark'>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(name)}: INT8 report</title><style>{_STYLE}</style>"
    ]
    frames = calibration.calibration()["frames"]
    parts.append(f"<h1>{escape(name)}: is INT8 still right?</h1>")
    parts.append(
        f"<p class=lead>Quantized on {frames['calibrated_on']} pictures, judged on {frames['held_out']} others"
        f" ({frames['distinct']} of all distinct; contents <code>{frames['sha256'][:16]}</code>)."
        f" {datetime.date.today()}, {escape(_machine())}.</p>"
    )
    times = {network: _times(outcome, contents[network]) for network, outcome in calibration.outcomes.items()}
    parts.insert(2, f"<p class=verdict>{_verdict(calibration.outcomes['detector'], times['detector'])}</p>")
    for network, outcome in calibration.outcomes.items():
        parts.append(f"<h2>{'Detector' if network == 'detector' else 'Appearance network'}</h2>")
        parts += [f"<p class=note>{escape(note)}.</p>" for note in outcome.notes]
        parts.append(_accuracy(outcome, contents[network], calibration, times[network]))
        if outcome.labelled:
            parts.append(_labelled(outcome))
        for variant, result in outcome.quantized.items():
            parts += _floats(variant, result, outcome)
    outcome = calibration.outcomes["detector"]
    parts += _pictures(outcome, contents["detector"], detector)
    if outcome.ranking:
        parts += _sensitivity(outcome)
    for variant, result in outcome.quantized.items():
        parts += _layers(variant, result, outcome)
    words = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in _WORDS.items())
    parts.append(f"<h2>What the words mean</h2><dl>{words}</dl>")
    return "\n".join(parts)


def _times(outcome: Outcome, reference: bytes) -> dict[str, Timing]:
    """Of float32 and of what a CPU can run as it is meant; empty without a picture to run them on."""
    if not outcome.held_out:
        return {}
    on_cpu = [made for made in outcome.variants if made.name == "int8"]
    found = timed([reference, *(made.content for made in on_cpu)], outcome.held_out[0])
    return dict(zip(["fp32", *(made.name for made in on_cpu)], found, strict=True))


def _verdict(outcome: Outcome, times: Mapping[str, Timing]) -> str:
    """One sentence: whether to use int8, what it costs and what it gains."""
    made = next((each for each in outcome.variants if each.name in ("int8", "qdq")), None)
    if made is None:
        return "There is no int8 variant: no layer of this network could be computed in integers."
    cost = f"its detections agree with float32's ({escape(str(made.verdict))})"
    if not made.passed:
        return (
            f"<span class=no>Do not use {made.name}</span>: it fell below the limits ({escape(str(made.verdict))}) and"
            " is never chosen automatically; calibrate on more pictures of the kind that the cameras see."
        )
    if made.name not in times:
        return (
            f"<span class=yes>Use {made.name}</span>: {cost}; its gain in speed shows on the board (nanotrack profile)."
        )
    float_ms, integer_ms = times["fp32"].p50_ms, times[made.name].p50_ms
    speed = f"{integer_ms:.1f} ms against {float_ms:.1f} ms in float32 on one thread of this machine"
    if integer_ms > float_ms / _WORTH_IT:
        return (
            f"<span class=no>Use {made.name} only where it is faster</span>: {cost}, and it gains nothing here"
            f" ({speed}); each board measures both once and takes the faster."
        )
    return (
        f"<span class=yes>Use {made.name}</span>: {cost}, and it runs {float_ms / integer_ms:.2f} times as fast"
        f" ({speed})."
    )


def timed(contents: Sequence[bytes], feed: Feed, rounds: int = _ROUNDS) -> list[Timing]:
    """Run times of several files on one thread, in turns, so that other load hits all of them alike."""
    runners = [Runner(content) for content in contents]
    times = np.zeros((rounds + 1, len(runners)))
    for row in times:
        for column, runner in enumerate(runners):
            start = time.perf_counter()
            runner(feed)
            row[column] = time.perf_counter() - start
    return [Timing(*np.percentile(column, (50, 90)) * 1000) for column in times[1:].T]


def _accuracy(outcome: Outcome, reference: bytes, calibration: Calibration, by_name: Mapping[str, Timing]) -> str:
    """A row for each variant: agreement, verdict, size, and time where a CPU can run it as it is meant."""
    times = list(by_name.values())
    columns = _columns([r.verdict for r in outcome.variants])
    rows = [_row("fp32", [c.perfect for c in columns], "reference", len(reference), by_name.get("fp32"), times)]
    for r in outcome.variants:
        verdict = "<span class=yes>passed</span>" if r.passed else "<span class=no>failed: never automatic</span>"
        figures = [format(getattr(r.verdict, c.name), c.form) for c in columns]
        rows.append(_row(r.name, figures, verdict, len(r.content), by_name.get(r.name), times))
    titles = "".join(f"<th class=number>{c.title}</th>" for c in columns)
    clock = "".join(f"<th class=number>{title}</th>" for title in ("p50 ms", "p90 ms", "speed") if times)
    limits = "".join(
        f"<td class=number>{c.sign} {getattr(calibration.settings.limits, c.name):g}</td>" for c in columns
    )
    return (
        f"<table class=figures><tr><th>variant</th>{titles}<th>gate</th>"
        f"<th class=number>size</th>{clock}</tr>{''.join(rows)}"
        f"<tr class=limits><td class=name>limits</td>{limits}</tr></table>"
        f"<p class=note>Agreement with float32 on held-out pictures,"
        f" taking its detections of at least {TRUTH_SCORE} as truth"
        " (embeddings: cosine), averaged over slightly perturbed copies. Times: one thread, in turns, this machine;"
        " TensorRT's variants are not timed here. A float32 detector whose camera adds one grey level of noise agrees"
        f" with itself to about .98.{_OFFSETS if _JOINT_COLUMNS[3] in columns else ''}</p>"
    )


def _columns(verdicts: Sequence[Verdict]) -> Sequence[_Column]:
    """The figures that these verdicts have."""
    if any(isinstance(v, JointAgreement) for v in verdicts):
        return _JOINT_COLUMNS
    return _JOINT_COLUMNS[:3] if any(isinstance(v, Agreement) for v in verdicts) else _JOINT_COLUMNS[5:]


def _labelled(outcome: Outcome) -> str:
    """Average precision of every variant against labels."""
    rows = "".join(
        f"<tr><td class=name>{variant}</td><td class=number>{ap['ap50']:.3f}</td>"
        f"<td class=number>{ap['ap']:.3f}</td></tr>"
        for variant, ap in outcome.labelled.items()
    )
    boxes = next(iter(outcome.labelled.values()))["boxes"]
    return (
        f"<h3>Against {boxes:.0f} labelled boxes of the held-out pictures, all classes in one list</h3>"
        "<table class=figures><tr><th>variant</th><th class=number>AP .5</th><th class=number>AP .5:.95</th></tr>"
        f"{rows}</table>"
    )


def _row(
    variant: str, figures: Sequence[str], verdict: str, size: int, timing: Timing | None, times: Sequence[Timing]
) -> str:
    cells = "".join(f"<td class=number>{figure}</td>" for figure in figures)
    clock = "<td></td><td></td><td></td>" if times else ""
    if timing:
        ratio = times[0].p50_ms / timing.p50_ms
        clock = "".join(f"<td class=number>{t}</td>" for t in (f"{timing[0]:.2f}", f"{timing[1]:.2f}", f"{ratio:.2f}x"))
    size_mb = f"<td class=number>{size / 1e6:.2f} MB</td>"
    return f"<tr><td class=name>{variant}</td>{cells}<td>{verdict}</td>{size_mb}{clock}</tr>"


def _floats(variant: str, result: Quantized, outcome: Outcome) -> list[str]:
    """Which choices were made, by what, and which layers stayed in float."""
    tried = sorted(result.tried.items(), key=lambda item: item[0])
    chosen = f"ranges {result.methods}"
    parts = [f"<h3>{variant}: alternatives tried, by measured error of the outputs (less is better)</h3>"]
    rows = [(name, error, f"{error:.4f}{' chosen' if name == chosen else ''}") for name, error in tried]
    parts.append(charts.bars(rows, 300, chosen))
    reasons: dict[str, list[str]] = {}
    for name, why in outcome.floats[variant].items():
        reasons.setdefault(why, []).append(name)
    parts.append(f"<h3>{variant}: layers in float</h3><table class=figures>")
    for why, names in reasons.items():
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        parts.append(f"<tr><td class=name>{escape(shown)}</td><td>{escape(why)}</td></tr>")
    return [*parts, "</table>"]


def _pictures(outcome: Outcome, reference: bytes, detector: Detector) -> list[str]:
    """Held-out pictures with the detections of float32 beside those of the first integer variant."""
    variant = outcome.variants[0]
    run, other = Runner(reference), Runner(variant.content)
    judge = judge_of(detector, run, [])
    parts = [f"<h2>Detections: float32 left or above, {variant.name} right or below</h2>"]
    parts.append(f"<p class=note>Held-out pictures, scores of at least {TRUTH_SCORE}, written where there is room.</p>")
    scored = [(len(judge.detections(run(t), TRUTH_SCORE)), i) for i, t in enumerate(outcome.held_out)]
    for _, i in sorted(scored, reverse=True)[:SHOWN_PICTURES]:
        feed = outcome.held_out[i]
        image = _image(feed[detector.input.name] if isinstance(feed, Mapping) else feed, detector)
        sides = [charts.drawn(image, judge.detections(r(feed)), TRUTH_SCORE, detector.classes) for r in (run, other)]
        pair = [charts.picture(side, name) for side, name in zip(sides, ("float32", variant.name), strict=True)]
        parts.append(f"<div class=pair>{''.join(pair)}</div>")
    return parts


def _image(tensor: Array, detector: Detector) -> Array:
    """The BGR picture in an input tensor."""
    if tensor.dtype == np.uint8:
        image = tensor[0]
    else:
        mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (detector.input.mean, detector.input.std))
        image = np.clip(tensor[0] * std + mean, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(image[..., ::-1] if detector.input.colour == "rgb" else image)


def _sensitivity(outcome: Outcome) -> list[str]:
    rows = [
        (
            unit.name,
            unit.gain,
            f"{unit.gain:+.4f} ({unit.gain_share:+.1%}) for {unit.cost_us:.0f} us ({unit.cost_share:.1%})",
        )
        for unit in outcome.ranking
    ]
    return [
        "<h2>Sensitivity</h2><p class=note>How much nearer to float32 the outputs come when one block is left in float,"
        " and what that costs by the time model; in the order of gain for each microsecond.</p>",
        charts.bars(rows),
    ]


def _layers(variant: str, result: Quantized, outcome: Outcome) -> list[str]:
    """Noise of every tensor with a grid, and the distributions of the worst."""
    ranges = result.ranges(outcome.floats[variant])
    ratios = signal_to_noise(result, outcome.floats[variant], outcome.held_out[:2])
    worst = sorted(ratios, key=lambda name: ratios[name])[:SHOWN_LAYERS]
    parts = [
        f"<h2>Layers of {variant}</h2><p class=note>Signal-to-noise ratio of each integer tensor beside float32, in"
        " order of execution, in dB; noise adds up along the way, so the fall at a layer tells more than its height."
        " Hold the pointer over a column for its name.</p>",
        charts.columns(list(ratios.values()), list(ratios), "dB"),
        "<h3>The noisiest tensors</h3><p class=note>Distribution (logarithmic) over the calibration pictures; red: what"
        " eight bits cover.</p><div class=tiles>",
    ]
    for name in worst:
        plot = charts.histogram(result.grid_ranges.histograms[name], ranges[name])
        parts.append(f"<figure>{plot}<figcaption>{escape(name)}: {ratios[name]:.1f} dB</figcaption></figure>")
    return [*parts, "</div>"]


def signal_to_noise(result: Quantized, floats: Collection[str], feeds: Sequence[Feed]) -> dict[str, float]:
    """10 log10 of signal over noise of every tensor with a grid, integer beside float, over `feeds`; without those that
    hold other places in each variant."""
    integer = Network.parse(result.content(floats))
    elsewhere = _read_where_found(result.network)
    names = [n for n in result.ranges(floats) if integer.maker(f"{n}.dq") is not None and n not in elsewhere]
    if not names:
        return {}
    noisy = Runner(integer.showing([f"{name}.dq" for name in names]), exact=True)
    clean = Runner(result.network.showing(names))
    powers = np.zeros((len(names), 2))
    for feed in feeds:
        found, expected = noisy(feed), clean(feed)
        for row, name in zip(powers, names, strict=True):
            row += np.sum(expected[name] ** 2), np.sum((found[f"{name}.dq"] - expected[name]) ** 2)
    ratios = 10 * np.log10(np.maximum(powers[:, 0], 1e-12) / np.maximum(powers[:, 1], 1e-12))
    return {name: float(ratio) for name, ratio in zip(names, ratios, strict=True)}


def _read_where_found(network: Network) -> set[str]:
    """Tensors whose rows are read at places that the network itself finds, other ones in each variant."""
    found: set[str] = set()
    for node in network.nodes:
        places = node.op_type == "Gather" and node.input[1] not in network.weights
        if places or not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _machine() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return models[0] if models else platform.machine()
