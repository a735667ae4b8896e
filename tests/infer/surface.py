"""Which names of TensorRT's Python interface our code touches, read from its source.

Everything reached from `import tensorrt as trt` is followed through assignments, calls and loops by the table RETURNS;
parameters follow the convention of PARAMETERS. What cannot be followed is an error, so that nothing is forgotten.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

# Class -> method or attribute -> class of what it gives. Not listed: plain numbers, text, tuples.
RETURNS = {
    "trt": {"Builder": "Builder", "Runtime": "Runtime", "OnnxParser": "OnnxParser"},
    "Builder": {"create_network": "INetworkDefinition", "create_builder_config": "IBuilderConfig"},
    "Runtime": {"deserialize_cuda_engine": "ICudaEngine"},
    "OnnxParser": {"get_error": "ParserError"},
    "INetworkDefinition": {"get_input": "ITensor"},
    "IBuilderConfig": {"create_timing_cache": "ITimingCache", "get_timing_cache": "ITimingCache"},
    "ICudaEngine": {"create_execution_context": "IExecutionContext", "create_engine_inspector": "EngineInspector"},
}
# Names that hold an object of TensorRT wherever they are not assigned from a call.
PARAMETERS = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "runtime": "Runtime",
    "tensor": "ITensor",
    "log.sink": "ILogger",
}

Use = tuple[str, str]  # class ("trt" for the module) and attribute; enumerations as ("ILogger.Severity", "ERROR")


def uses(path: Path) -> Iterator[tuple[Use, int]]:
    """Every (class, attribute) of TensorRT that a source file touches, with its line."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = _kind(node.value)
            if owner is not None:
                yield (owner, node.attr), node.lineno


def _kind(node: ast.expr) -> str | None:
    """The TensorRT class of an expression; None for what is not TensorRT's."""
    if isinstance(node, ast.Name):
        return "trt" if node.id == "trt" else PARAMETERS.get(node.id)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            owner = _kind(node.func.value)
            return None if owner is None else RETURNS.get(owner, {}).get(node.func.attr)
        return None
    if isinstance(node, ast.Attribute):
        owner = _kind(node.value)
        if owner == "trt" and node.attr[:1].isupper():
            return node.attr
        if owner is not None and node.attr[:1].isupper():
            return f"{owner}.{node.attr}"
    return None


def unfollowed(path: Path, surface: dict[str, list[str]]) -> list[str]:
    """Attributes in a file that look like TensorRT's, by a name with an underscore, but were not followed."""
    names = {name for members in surface.values() for name in members if "_" in name.strip("_")}
    tree = ast.parse(path.read_text("utf-8"))
    return [
        f"{path.name}:{node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in names and _kind(node.value) is None
    ]
