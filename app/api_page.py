"""What the JSON API is, for people: its OpenAPI document as a page."""

from dataclasses import dataclass

from app.problems import PROBLEMS


@dataclass(frozen=True)
class Field:
    """A field of a form or of an answer; `kind` is its type in words."""

    name: str
    kind: str
    description: str


@dataclass(frozen=True)
class Operation:
    """One address of the API. `fields` are those of its form."""

    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    statuses: tuple[str, ...]


@dataclass(frozen=True)
class ProblemRow:
    """One problem that a program can meet."""

    code: str
    status: int
    title: str


@dataclass(frozen=True)
class ApiPage:
    """All that templates/api.html may see; `schemas` maps a name to its fields."""

    title: str
    version: str
    description: str
    with_tokens: bool
    operations: tuple[Operation, ...]
    schemas: dict[str, tuple[Field, ...]]
    problems: tuple[ProblemRow, ...]


def describe(document: dict, with_tokens: bool) -> ApiPage:
    """Turn the document into what its page shows.

    Args:
        document: as from `openapi.document`.
        with_tokens: whether this site asks for a token.
    """
    return ApiPage(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=document["info"]["description"],
        with_tokens=with_tokens,
        operations=tuple(
            _operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ),
        schemas={name: tuple(_fields(schema)) for name, schema in document["components"]["schemas"].items()},
        problems=tuple(ProblemRow(code, row.status, str(row.title)) for code, row in PROBLEMS.items()),
    )


def _operation(method: str, path: str, operation: dict) -> Operation:
    forms = operation.get("requestBody", {}).get("content", {}).values()
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        fields=tuple(field for form in forms for field in _fields(form["schema"])),
        statuses=tuple(operation["responses"]),
    )


def _fields(schema: dict, prefix: str = "") -> list[Field]:
    """The fields of an object, those inside it with their path: `advice.level`, `answers[].photo`."""
    fields = []
    for name, inner in schema.get("properties", {}).items():
        fields.append(Field(prefix + name, _kind(inner), inner.get("description", "")))
        fields += _fields(inner, f"{prefix}{name}.")
        for item in inner.get("items", {}).get("oneOf", [inner.get("items", {})]):
            fields += _fields(item, f"{prefix}{name}[].")
    return list({field.name: field for field in fields}.values())


def _kind(schema: dict) -> str:
    if "const" in schema:
        return f"always {str(schema['const']).lower() if schema['const'] is True else schema['const']}"
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "x-extensible-enum" in schema:
        known = ", ".join("null" if one is None else one for one in schema["x-extensible-enum"])
        return f"one of {known}, or a later one"
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "oneOf" in schema:
        return " or ".join(_kind(option) for option in schema["oneOf"])
    if schema.get("type") == "array":
        items = schema["items"]
        return "list of " + (_kind(items) if "oneOf" not in items else "objects")
    if schema.get("format") == "binary":
        return "file"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else kind
