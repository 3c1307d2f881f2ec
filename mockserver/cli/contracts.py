"""`mockserver contracts`: the facts that the server knows about each API, with their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import click

from mockserver.cli import parameters
from mockserver.cli.parameters import contract_files, effective_contract, load_contracts, load_patches, print_json
from mockserver.jsonkit.printable import printable
from mockserver.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from mockserver.contract.library import Library, Protocol
    from mockserver.jsonkit import Json

DOCUMENTS: Final = ("requests", "events", "replies", "bodies")
DEFAULT_SERVER: Final = f"http://127.0.0.1:{DEFAULT_PORT}"
EPILOG: Final = """\b
Examples:
  mockserver contracts list
  mockserver contracts list --rules
  mockserver contracts print outlit --revision r4-2026-08
  mockserver contracts print apex --contract-patch strict.yaml --json
  mockserver contracts explain outlit /protocol/limits/body/max_bytes
  mockserver contracts openapi outlit --revision r4-2026-08 > outlit.json
  mockserver contracts schemas outlit bodies > bodies.json
"""

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_protocol = click.argument("name", shell_complete=parameters.protocol_names)


_server = click.option(
    "--server", metavar="URL", default=DEFAULT_SERVER, show_default=True, help="URL of the mock server in the output."
)


@click.group(cls=parameters.SuggestingGroup, epilog=EPILOG)
def command() -> None:
    """List, print and explain the contracts."""


@command.command("list")
@click.option("--rules", is_flag=True, help="List the rules about clients instead, with level and source.")
@contract_files
@_as_json
def list_contracts(rules: bool, contracts: Sequence[Path], contract_patches: Sequence[Path], as_json: bool) -> None:
    """List the protocols and their revisions."""
    from mockserver.contract.library import library_of

    library = library_of(contracts)
    load_patches(library, None, None, contract_patches)
    if rules:
        _list_rules(library, as_json=as_json)
        return
    if as_json:
        print_json({"protocols": [_described(protocol) for protocol in library.protocols.values()]})
        return
    rows = [
        (protocol.name, revision, ", ".join(_notes(protocol, revision)), _title(protocol, revision))
        for protocol in library.protocols.values()
        for revision in protocol.revision_names()
    ]
    _print_table(("PROTOCOL", "REVISION", "NOTE", "TITLE"), *rows)


@command.command("print")
@_protocol
@effective_contract
@_as_json
def print_contract(
    name: str, revision: str | None, contracts: Sequence[Path], contract_patches: Sequence[Path], as_json: bool
) -> None:
    """Print a contract with the source of each fact.

    The output has the structure of a contract patch: copy a part of it, change it, and pass it to --contract-patch.
    """
    (contract,) = load_contracts(name, revision, contracts, contract_patches)
    documents = {name: document for name, document in contract.documents.items() if document}
    if as_json:
        print_json(documents)
        return
    from mockserver.jsonkit import yamltext

    click.echo(f"# {contract.name}, revision {contract.revision}, contract hash {contract.digest}")
    for place, source in contract.changed.items():
        click.echo(f"# {place} is changed by {source.removeprefix('patch: ')}")
    click.echo(yamltext.dumps(documents), nl=False)


@command.command("explain")
@_protocol
@effective_contract
@_as_json
@click.argument("pointer")
def explain(
    name: str,
    pointer: str,
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    as_json: bool,
) -> None:
    """Explain a fact: its value, source and basis.

    POINTER is the rule of a finding, for example /protocol/limits/body/max_bytes. For an object, every fact in it is
    shown, also those that a schema has from a shared one.
    """
    from mockserver.contract.fidelity import explain

    (contract,) = load_contracts(name, revision, contracts, contract_patches)
    facts = explain(contract, pointer)
    if as_json:
        print_json({"facts": facts})
        return
    own = {fact["pointer"] for fact in facts if "revision" not in fact}
    for number, fact in enumerate(facts):
        if number:
            click.echo()
        click.secho(fact["pointer"], bold=True)
        click.echo(f"  value   {printable(_text(fact['value']))}")
        click.echo(f"  source  {printable(fact['source'])}")
        click.echo(f"  basis   {fact['basis']}")
        if "revision" in fact:
            click.echo(f"  {'in     ' if fact['pointer'] in own else 'only in'} {fact['revision']}")


@command.command("openapi")
@_protocol
@effective_contract
@_server
def print_openapi(
    name: str, revision: str | None, contracts: Sequence[Path], contract_patches: Sequence[Path], server: str
) -> None:
    """Print the OpenAPI 3.1 document of an API, for other tools.

    It is the document that a server has at /_mock/openapi/NAME.json.
    """
    from mockserver.contract import publish
    from mockserver.contract.examples import read_examples
    from mockserver.contract.library import library_of

    (contract,) = load_contracts(name, revision, contracts, contract_patches)
    folder = library_of(contracts).protocol(contract.name).folder
    print_json(publish.openapi(contract, read_examples(folder), server.rstrip("/")))


@command.command("schemas")
@_protocol
@click.argument("document", type=click.Choice(DOCUMENTS))
@effective_contract
@_server
def print_schemas(
    name: str,
    document: str,
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    server: str,
) -> None:
    """Print JSON Schemas of an API, for other tools.

    DOCUMENT is requests, events or replies for the schemas of the contract, or bodies for the whole request body of
    each operation. A server has them at /_mock/schemas/NAME/DOCUMENT.json.
    """
    from mockserver.contract import publish

    (contract,) = load_contracts(name, revision, contracts, contract_patches)
    query = "" if revision is None else f"?{urlencode({'revision': revision})}"
    print_json(publish.schemas(contract, document, server.rstrip("/"), query))


def _list_rules(library: Library, *, as_json: bool) -> None:
    """Print the rules about clients of each protocol."""
    rules = [rule for protocol in library.protocols.values() for rule in protocol.client_rules.rules.values()]
    if as_json:
        print_json({"rules": [rule.as_json() for rule in rules]})
        return
    rows = [
        (rule.protocol, rule.name, rule.level, "-" if rule.stimulus is None else rule.stimulus.name, rule.text)
        for rule in rules
    ]
    _print_table(("PROTOCOL", "RULE", "LEVEL", "STIMULUS", "TEXT"), *rows)


def _described(protocol: Protocol) -> Mapping[str, Json]:
    contract = protocol.contract()
    revisions = [{"name": revision, "title": _title(protocol, revision)} for revision in protocol.revision_names()]
    return {
        "name": protocol.name,
        "title": contract.title,
        "host": contract.host,
        "operations": list(contract.operations),
        "base": protocol.base,
        "newest": protocol.newest,
        "revisions": revisions,
        "folder": str(protocol.folder),
    }


def _title(protocol: Protocol, revision: str) -> str:
    return protocol.revisions[revision].title if revision in protocol.revisions else protocol.title


def _notes(protocol: Protocol, revision: str) -> list[str]:
    return ["base"] * (revision == protocol.base) + ["newest"] * (revision == protocol.newest)


def _text(value: Json) -> str:
    from mockserver.jsonkit.jsontext import render

    return value if isinstance(value, str) else render(value).decode()


def _print_table(*rows: Sequence[str]) -> None:
    """Print aligned columns; the first row is the header, bold on a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.secho(line, bold=number == 0)
