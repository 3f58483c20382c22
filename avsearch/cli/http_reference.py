"""docs/http.md, made from the server's OpenAPI document: `python -m avsearch.cli.http_reference > docs/http.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from avsearch.cli.output import print_line
from avsearch.web.app import api_document
from avsearch.web.refusals import ALWAYS, MEANINGS

REGENERATE = "python -m avsearch.cli.http_reference > docs/http.md"
_TITLES = {
    "search": "Search",
    "uploads": "Files to ask with",
    "media": "Media and moments",
    "library": "The library",
    "health": "How the server is",
}
_LIMITS = (
    ("minimum", ">= {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "<= {}"),
    ("exclusiveMaximum", "< {}"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("maxLength", "at most {} characters"),
    ("pattern", "matches `{}`"),
)
_HEAD = f"""# HTTP

What a server that `avsearch serve` started answers, made from its OpenAPI document by
`{REGENERATE}`; the document itself is at `/v1/openapi.json`.
[security.md](security.md#hostile-clients-of-avsearch-serve) says who is let in.

Times are seconds, sizes bytes, scores cosines. Requests with a body send JSON, uploads the file itself; a field
that is not listed here is refused. Where others than this machine can connect every request needs the token, as
`Authorization: Bearer TOKEN`; what says so below needs it everywhere. Every answer has the headers
`X-Request-Id`, which stands in the server's log too, and `Server-Timing`.

An error is always `{{"error": {{"message": "...", "hint": "..."}}}}`: what is wrong, and what to do. 503 comes with
`Retry-After` where it is worth trying again.

## Examples

A still is sent and asks; then a moment of the library asks, and one of its pictures is fetched.

```console
$ curl --silent http://127.0.0.1:8000/v1/uploads --data-binary @still.jpg --header 'X-Filename: still.jpg'
{{"upload_id":"Ek4s0N8g6zCk","name":"still.jpg","kind":"picture","duration_s":0.0,"width":96,"height":72,
"has_sound":false,"has_picture":true,"expires_in_s":3600.0}}
$ curl --silent http://127.0.0.1:8000/v1/search --header 'Content-Type: application/json' \\
    --data '{{"find": "audio", "terms": [{{"upload_id": "Ek4s0N8g6zCk"}}], "k": 1}}'
$ curl --silent http://127.0.0.1:8000/v1/search --header 'Content-Type: application/json' \\
    --data '{{"find": "audio", "terms": [{{"moment_id": "1:image:0"}}], "where": "duration>2s", "k": 5}}'
$ curl --silent --output picture.jpg 'http://127.0.0.1:8000/v1/moments/1:image:0/thumbnail?size=160'
```

## Refusals
"""


def http_reference() -> str:
    """The whole page, in Markdown."""
    document = api_document()
    operations = [
        (method, path, it) for path, methods in document["paths"].items() for method, it in methods.items()
    ]
    parts = [_HEAD, _statuses("Any request may be answered with", ALWAYS)]
    for tag, title in _TITLES.items():
        told = [_operation(*one) for one in operations if one[2]["tags"] == [tag]]
        parts += [f"## {title}\n", *told]
    parts += ["## Objects\n", *_objects(document["components"]["schemas"])]
    return "\n".join(parts)


def _statuses(words: str, statuses: Sequence[int]) -> str:
    rows = [f"| {status} | {MEANINGS[status]} |" for status in statuses]
    return "\n".join([f"{words}", "", "| status | means |", "|---|---|", *rows, ""])


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """Address, what it does, what it takes, what it answers."""
    lines = [f"### {method.upper()} {path}", "", operation["description"].replace("\n", " "), ""]
    if parameters := operation.get("parameters"):
        rows = [
            _row(it["name"], it["in"], it["schema"], _required(it), it.get("description", "")) for it in parameters
        ]
        lines += ["| parameter | in | type | default | |", "|---|---|---|---|---|", *rows, ""]
    if body := operation.get("requestBody"):
        lines += [f"Body: {_content(body)}", ""]
    lines += ["| answer | |", "|---|---|", *_answers(operation["responses"]), ""]
    return "\n".join(lines)


def _answers(responses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Rows of what is answered, but for what any request may be answered with."""
    for status, answer in sorted(responses.items()):
        if int(status) in ALWAYS and answer["description"] == MEANINGS[int(status)]:
            continue
        content = "" if answer["description"] == MEANINGS.get(int(status)) else _content(answer)
        said = answer["description"].replace("Successful Response", "" if content else "It is done.")
        yield f"| {status} | {' '.join(filter(None, [content, said]))} |"


def _content(holder: Mapping[str, Any]) -> str:
    """What a body is: an object of ours, or a file of some types."""
    contents: Mapping[str, Any] = holder.get("content", {})
    if "application/json" in contents:
        return _type(contents["application/json"]["schema"])
    return ", ".join(f"`{name}`" for name in contents)


def _objects(schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"### {name}\n"
        yield f"{schema['description'].replace(chr(10) + chr(10), ' ').replace(chr(10), ' ')}\n"
        if "enum" in schema:
            yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
            continue
        is_asked = schema.get("additionalProperties") is False  # of what is answered, every field is always there
        yield "| field | type | default | |\n|---|---|---|---|" if is_asked else "| field | type | |\n|---|---|---|"
        needed = schema.get("required", ())
        for field, told in schema["properties"].items():
            default = [_default(told, is_required=field in needed)] if is_asked else []
            yield "| " + " | ".join([f"`{field}`", _type(told), *default, told.get("description", "")]) + " |"
        yield ""


def _row(name: str, place: str, schema: Mapping[str, Any], default: str, words: str) -> str:
    return f"| `{name}` | {place} | {_type(schema)} | {default} | {words} |"


def _required(parameter: Mapping[str, Any]) -> str:
    return _default(parameter["schema"], is_required=parameter.get("required", False))


def _default(schema: Mapping[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "required"
    return f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""


def _type(schema: Mapping[str, Any]) -> str:
    """A type with its limits, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return "; or ".join("null" if it.get("type") == "null" else _type(it) for it in schema["anyOf"])
    if schema["type"] == "array":
        words = f"list of {_type(schema['items'])}"
    elif schema.get("additionalProperties"):
        words = f"object of {_type(schema['additionalProperties'])} by name"
    else:
        words = schema["type"]
    limits = [pattern.format(_plain(schema[key])) for key, pattern in _LIMITS if key in schema]
    return ", ".join([words, *limits])


def _plain(value: object) -> str:
    """A limit as people write it."""
    return f"{value:.15g}" if isinstance(value, float) else str(value).replace("|", r"\|")


if __name__ == "__main__":
    for line in http_reference().splitlines():
        print_line(line)
