"""The page of the HTTP API says what the server's own document says."""

from pathlib import Path

from avsearch.cli.http_reference import REGENERATE, http_reference
from avsearch.web.app import api_document

PAGE = Path(__file__).parents[2] / "docs" / "http.md"


def test_the_page_of_the_http_api_is_what_the_server_says():
    assert PAGE.read_text() == http_reference(), f"docs/http.md is stale: run `{REGENERATE}`"


def test_every_route_parameter_and_field_is_on_the_page():
    page, document = http_reference(), api_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _, _, told = page.partition(f"### {method.upper()} {path}\n")
            told, _, _ = told.partition("\n### ")
            assert operation["description"].split("\n")[0] in told, path
            for parameter in operation.get("parameters", ()):
                assert f"| `{parameter['name']}` | {parameter['in']} |" in told, path
            assert f"| {min(operation['responses'])} |" in told, path
    for name, schema in document["components"]["schemas"].items():
        _, _, told = page.partition(f"\n### {name}\n")
        told, _, _ = told.partition("\n### ")
        for field in schema.get("properties", ()):
            assert f"| `{field}` |" in told, name


def test_limits_and_defaults_are_told():
    page = http_reference()
    assert "| `k` | integer, >= 1, <= 1000 | `30` |" in page
    assert "| `find` | [Modality](#modality) | required |" in page
    assert "One of `image`, `audio`." in page
