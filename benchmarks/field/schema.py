"""What the schema of the JSON lines has against a line."""

from typing import Any

_TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}


def mistakes(schema: dict[str, Any], value: Any, where: str = "line") -> list[str]:
    """What is wrong with `value`: the part of JSON Schema that our schema uses, and no more."""
    known = {"$schema", "title", "description", "type", "required", "additionalProperties", "properties", "items"}
    known |= {"oneOf", "const", "enum", "minimum", "maximum", "minItems", "maxItems"}
    assert set(schema) <= known, set(schema) - known
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not mistakes(one, value, where)]
        return [] if len(fitting) == 1 else [f"{where}: fits {len(fitting)} of the forms: {value}"]
    if "const" in schema:
        return [] if value == schema["const"] else [f"{where}: {value} is not {schema['const']}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value} is none of {schema['enum']}"]
    if not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool):
        return [f"{where}: {value!r} is no {schema['type']}"]
    found = []
    if isinstance(value, dict):
        found += [f"{where}: lacks {name}" for name in schema["required"] if name not in value]
        found += [f"{where}: has {name}" for name in value if name not in schema["properties"]]
        for name in value.keys() & schema["properties"].keys():
            found += mistakes(schema["properties"][name], value[name], f"{where}.{name}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        for item in value:
            found += mistakes(schema["items"], item, f"{where}[]")
    elif not isinstance(value, str) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value} is out of range")
    return found
