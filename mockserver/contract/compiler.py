"""From merged documents to a `Contract`: schemas compiled, every name resolved, every template checked."""

from __future__ import annotations

from collections.abc import Mapping

from mockserver.contract.contract import Contract
from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.provenance import SOURCES, dangling
from mockserver.contract.raw import RawContract, fail
from mockserver.contract.read_operations import operations
from mockserver.contract.sections import ContentTypes, Dedup, EventMark, IdentityRule, Projects, ReservedMembers
from mockserver.contract.written import schema_problems, unknown_names
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.decoding import read, read_named
from mockserver.jsonkit.pointer import Tokens


def compile_contract(
    *,
    documents: Mapping[str, Json],
    revision: str,
    adapter: str,
    digest: str,
    changed: Mapping[str, str],
    own: Contract | None = None,
) -> Contract:
    """Compile merged documents. Raises ContractError with the pointer of what cannot be used.

    `own` is the contract before it was patched: what a patch leaves as it is, is taken from there.
    """
    extension = extension_of(adapter)
    for place in extension.needs:
        if pointer.get(documents, pointer.parse(place)) is pointer.MISSING:
            raise fail(place, "required by the adapter of this protocol")
    for place, problem in schema_problems(documents):
        raise fail(place, problem)
    for tokens, name in dangling(documents, None if own is None else own.documents):
        raise fail(pointer.build((*tokens, SOURCES)), f"{name} leads to nothing in this object")
    raw = RawContract(documents, {**BUILT_IN, **extension.checks}, own)
    protocol = raw.protocol
    contract = Contract(
        name=protocol["name"],
        title=protocol["title"],
        source=protocol["source"],
        host=protocol["host"]["value"],
        revision=revision,
        digest=digest,
        adapter=adapter,
        newest=None,
        documents=documents,
        changed=changed,
        nulls_absent=protocol["nulls"]["members"] == "absent",
        max_body=protocol["limits"]["body"]["max_bytes"],
        extra_slashes=protocol.get("paths", {}).get("extra_slashes") != "unknown_path",
        prefixes=raw.prefixes(),
        credentials=raw.credentials,
        operations=operations(raw),
        shapes=raw.shapes,
        families=raw.families,
        replies=raw.replies,
        messages={keyword: text["value"] for keyword, text in raw.section("messages").items()},
        rate_limits=raw.rates,
        member_limits=raw.member_limits(),
        windows=raw.windows,
        content_types=raw.optional(ContentTypes, "content_types"),
        dedup=raw.optional(Dedup, "dedup"),
        entity=Tokens.of(protocol["entities"]["pointer"]) if "entities" in protocol else None,
        no_entity=read(EventMark, protocol["entities"]["unless"]) if "unless" in raw.section("entities") else None,
        identity=read_named(IdentityRule, raw.section("identity")),
        reserved=read_named(ReservedMembers, raw.section("reserved")),
        projects=raw.optional(Projects, "projects"),
        id_prefixes={kind: rule["prefix"] for kind, rule in raw.section("ids").items()},
        stored=raw.stored_rules(),
        personal=raw.personal(),
        delivery=raw.delivery_rules(),
        warnings=raw.warning_rules(),
        event_schemas=raw.event_schemas,
        request_schemas=raw.request_schemas,
        reply_schemas=raw.reply_schemas,
        parts=raw.parts,
    )
    for place, problem in unknown_names(contract, extension):
        raise fail(place, problem)
    return contract
