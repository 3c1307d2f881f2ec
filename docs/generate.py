"""Writes docs/reference/ from the code and the contracts; a test fails when it is stale.

Run it in the checkout whose code it shall read: `PYTHONPATH=. python docs/generate.py`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import python_api

from mockserver.cli.main import main as program
from mockserver.contract import fidelity as facts
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.server import control

HERE = Path(__file__).parent
CITATION = re.compile(r"\w+\.md#[\w-]+")
"""What a source cites: a heading of a page in docs/protocols/."""
NOTE = "<!-- Written by docs/generate.py; edit what it reads instead. -->\n\n"


def pages() -> Iterator[tuple[str, str]]:
    """Yield each generated page: its path below docs/ and its text."""
    yield "reference/control-surface.md", NOTE + control_surface()
    yield "reference/command-line.md", NOTE + command_line()
    yield "reference/python.md", NOTE + python_api.page()
    for name, protocol in library().protocols.items():
        yield f"reference/{name}.md", NOTE + facts_page(name, protocol.contract(), protocol.revision_names())


def control_surface() -> str:
    """Return the page of the control surface, out of its OpenAPI document."""
    document = control.document()
    text = [f"# Control surface\n\n{document['info']['description'].strip()}\n"]
    text.append(
        "The same as OpenAPI 3.1 is served at `/_mock/openapi.json`. Errors are `application/problem+json` and name\n"
        "the offending member as `pointer` (in the body) or `parameter` (in path or query). Unknown ones are refused.\n"
    )
    for path, item in document["paths"].items():
        for method, spec in item.items():
            if method != "parameters":
                text.append(_operation(path, method, spec))
    text.append("## Shapes\n")
    text += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(text)


def _operation(path: str, method: str, spec: dict[str, Any]) -> str:
    lines = [f"## `{method.upper()} {path}`\n", f"{spec['summary']}.\n"]
    parameters = [control.resolve(parameter) for parameter in spec.get("parameters", ())]
    if parameters:
        lines += ["| Query member | Type | Meaning |", "| --- | --- | --- |"]
        lines += [f"| `{p['name']}` | {_type(p['schema'])} | {p.get('description', '')} |" for p in parameters]
        lines.append("")
    body = spec.get("requestBody")
    if body is not None:
        lines.append(f"Takes {_type(body['content']['application/json']['schema'])}.\n")
    for status, response in spec["responses"].items():
        if status == "default":
            continue
        content = control.resolve(response).get("content", {})
        kinds = ", ".join(_type(media["schema"]) for media in content.values()) or "nothing"
        lines.append(f"Answers {status} with {kinds}.\n")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(option) for option in schema["anyOf"]))
    kind = schema.get("type", "any value")
    if kind == "array" and "items" in schema:
        return f"a list of {_type(schema['items'])}"
    bounds = [f"{word} {schema[word]}" for word in ("minimum", "maximum", "default") if word in schema]
    return (" or ".join(kind) if isinstance(kind, list) else kind) + (f" ({', '.join(bounds)})" if bounds else "")


def _shape(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}\n"]
    if "description" in schema:
        lines.append(schema["description"].strip() + "\n")
    if "$ref" in schema:
        lines.append(
            f"As {_type({'$ref': schema['$ref']})}, and:\n" if "properties" in schema else f"As {_type(schema)}.\n"
        )
    members = schema.get("properties", {})
    if members:
        required = set(schema.get("required", ()))
        lines += ["| Member | Type | Always there | Meaning |", "| --- | --- | --- | --- |"]
        for member, inner in members.items():
            always = "yes" if member in required else ""
            lines.append(f"| `{member}` | {_type(inner)} | {always} | {inner.get('description', '')} |")
        lines.append("")
    elif "$ref" not in schema:
        lines.append(_type(schema) + ".\n")
    return "\n".join(lines)


def command_line() -> str:
    """Return the page of the command line: what each `--help` says."""
    text = ["# Command line\n"]
    for name, command in _commands(program, "mockserver"):
        settings = program.context_settings | {"max_content_width": 100, "terminal_width": 100}
        context = click.Context(command, info_name=name, **settings)
        text.append(f"## `{name}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(text)


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _commands(found, f"{name} {child}")


def facts_page(name: str, contract: Contract, revisions: list[str]) -> str:
    """Return the page of one protocol: what is assumed, then every fact with its source."""
    found = facts.facts(contract)
    assumed = [fact for fact in found if fact["basis"] == "assumed"]
    counts = ", ".join(
        f"{sum(fact['basis'] == basis for fact in found)} {basis}"
        for basis in ("docs", "spec", "sdk", "inferred", "assumed")
    )
    lines = [
        f"# {contract.title}\n",
        f"Revisions: {', '.join(f'`{revision}`' for revision in revisions)}; the first is the default.\n",
        f"{len(found)} facts: {counts}. The [protocol page](../protocols/{name}.md) has the evidence.\n",
        "## Operations\n",
        "| Operation | Request | Summary |",
        "| --- | --- | --- |",
        *(f"| `{o.name}` | `{o.method} {o.path}` | {o.summary} |" for o in contract.operations.values()),
        "\n## What is assumed\n",
        "Nobody outside the vendor can know these. Each is one merge patch away from being something else.\n",
        *_table(assumed),
        "\n## Every other fact\n",
        *_table([fact for fact in found if fact["basis"] != "assumed"]),
    ]
    return "\n".join(lines) + "\n"


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    yield "| Where in the contract | Value | Source |"
    yield "| --- | --- | --- |"
    for fact in found:
        value = json.dumps(fact["value"], ensure_ascii=False)
        value = value if len(value) <= 100 else value[:99] + "…"
        source = CITATION.sub(r"[\g<0>](../protocols/\g<0>)", fact["source"])
        cells = (f"`{fact['pointer']}`", f"`{value}`" if value != "{}" else "", source)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Write every page."""
    for path, text in pages():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
