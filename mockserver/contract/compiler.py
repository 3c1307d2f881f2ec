"""From merged documents to a `Contract`: schemas compiled, every name resolved, every template checked."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import jsonschema_rs

from mockserver.contract import read_replies, read_sections
from mockserver.contract.contract import Contract
from mockserver.contract.extension import BUILT_IN, Extension, extension_of
from mockserver.contract.raw import RawContract, fail
from mockserver.contract.read_operations import Parts, operations
from mockserver.contract.schema import Schema, annotate, flatten
from mockserver.contract.sections import (
    ContentTypes,
    CorsRules,
    Credential,
    Dedup,
    Idempotency,
    IdentityRule,
    Projects,
    Window,
)
from mockserver.contract.template_names import unknown_names
from mockserver.contract.written import schema_problems
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.decoding import read_named
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import Tokens


def compile_contract(
    *,
    documents: Mapping[str, Json],
    revision: str,
    adapter: str,
    patched: Mapping[str, str],
) -> Contract:
    """Compile merged documents. Raises ContractError with the pointer of what cannot be used."""
    extension = extension_of(adapter)
    for place in extension.needs:
        if pointer.get(documents, pointer.parse(place)) is pointer.MISSING:
            raise fail(place, "this protocol's adapter needs it")
    for place, problem in schema_problems(documents):
        raise fail(place, problem)
    schemas = _Schemas(documents, patched)
    raw = RawContract(
        documents=documents,
        requests=schemas.document("requests"),
        events=schemas.document("events"),
        replies=schemas.document("replies"),
    )
    contract = _assemble(raw, schemas, extension, revision=revision, adapter=adapter, patched=patched)
    for place, problem in unknown_names(contract, extension):
        raise fail(place, problem)
    return contract


def _assemble(
    raw: RawContract,
    schemas: _Schemas,
    extension: Extension,
    *,
    revision: str,
    adapter: str,
    patched: Mapping[str, str],
) -> Contract:
    protocol = raw.protocol
    shapes = read_replies.shapes(raw)
    parts = Parts(
        credentials=read_named(Credential, raw.section("credentials")),
        families=read_replies.families(raw, shapes),
        replies=read_replies.replies(raw),
        rates=read_sections.rate_limits(raw),
        cors=read_named(CorsRules, raw.section("cors")),
        idempotency=read_named(Idempotency, raw.section("idempotency")),
        windows=tuple(read_named(Window, raw.section("windows")).values()),
        checks={**BUILT_IN, **extension.checks},
    )
    return Contract(
        name=protocol["name"],
        title=protocol["title"],
        source=protocol["source"],
        host=protocol["host"]["value"],
        revision=revision,
        digest=blake2b(render(raw.documents), digest_size=16).hexdigest(),
        adapter=adapter,
        newest=None,
        documents=raw.documents,
        patched=patched,
        nulls_absent=protocol["nulls"]["members"] == "absent",
        max_body=protocol["limits"]["body"]["max_bytes"],
        prefixes=read_replies.prefixes(raw, parts.families, parts.cors),
        credentials=parts.credentials,
        operations=operations(raw, parts),
        shapes=shapes,
        families=parts.families,
        replies=parts.replies,
        messages={keyword: text["value"] for keyword, text in raw.section("messages").items()},
        rate_limits=parts.rates,
        member_limits=read_sections.member_limits(raw),
        windows=parts.windows,
        content_types=raw.optional(ContentTypes, "content_types"),
        dedup=raw.optional(Dedup, "dedup"),
        entity=Tokens.of(protocol["entities"]["pointer"]) if "entities" in protocol else None,
        identity=read_named(IdentityRule, raw.section("identity")),
        projects=raw.optional(Projects, "projects"),
        id_prefixes={kind: rule["prefix"] for kind, rule in raw.section("ids").items()},
        stored=read_sections.stored_rules(raw),
        delivery=read_sections.delivery_rules(raw),
        warnings=read_sections.warning_rules(raw, schemas.warning),
        event_schemas=raw.events,
        request_schemas=raw.requests,
        reply_schemas=raw.replies,
    )


class _Schemas:
    """Compiles the schemas of merged documents."""

    def __init__(self, documents: Mapping[str, Json], patched: Mapping[str, str]) -> None:
        self._documents = documents
        self._changed = {place.rpartition("/")[0]: source for place, source in patched.items()}

    def document(self, name: str) -> dict[str, Schema]:
        """Return the schemas of one document by name."""
        document: Mapping[str, Json] = self._documents.get(name, {})
        shared = {
            inner: annotate(schema, f"/{name}/shared/{pointer.escape(inner)}", "", self._changed)
            for inner, schema in document.get("shared", {}).items()
        }
        return {
            inner: self._schema(name, inner, schema, f"/{name}/{pointer.escape(inner)}", shared)
            for inner, schema in document.items()
            if inner != "shared"
        }

    def warning(self, level: str, name: str, rule: Mapping[str, Json]) -> Schema:
        """Return the schema of a warning rule."""
        schema = {"source": rule["source"], **rule["schema"]}
        return self._schema(
            "warnings", f"{level}/{name}", schema, pointer.build(("warnings", level, name, "schema")), {}
        )

    def _schema(self, document: str, name: str, schema: Json, place: str, shared: Mapping[str, Json]) -> Schema:
        try:
            compiled = Schema(document, name, flatten(annotate(schema, place, "", self._changed), shared))
            _ = compiled.engine
        except KeyError as error:
            raise fail(place, f"uses a shared schema that is not there: {error.args[0]}") from None
        except RecursionError:
            raise fail(place, "uses a shared schema that uses itself") from None
        except jsonschema_rs.ValidationError as error:
            raise fail(place + pointer.build(error.instance_path), error.message) from None
        return compiled
