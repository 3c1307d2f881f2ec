"""Components of a published document: named without dots, event types told apart by their discriminator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract import publish
from mockserver.contract.components import Components
from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch, library

FOURTH = Path(__file__).parent.parent / "fourth"
SOURCE = "assumed: for a test"


def contract_of(protocol: str, patch: Any = None) -> Contract:
    patches = [] if patch is None else [Patch(name="test", patch=patch)]
    return library().protocol(protocol).contract(None, patches)


def components_of(contract: Contract) -> Any:
    return publish.openapi(contract)["components"]["schemas"]


def test_events_are_one_of_their_types_with_a_discriminator() -> None:
    found = components_of(contract_of("outlit"))
    event, types = found["Event"], set(contract_of("outlit").event_schemas)
    assert event["discriminator"]["propertyName"] == "type"
    assert set(event["discriminator"]["mapping"]) == types
    assert [option["$ref"] for option in event["oneOf"]] == list(event["discriminator"]["mapping"].values())
    for name, reference in event["discriminator"]["mapping"].items():
        schema = found[reference.rpartition("/")[2]]
        assert schema["properties"]["type"]["const"] == name
        assert "type" in schema["required"]
    assert found["EnvelopeRequest"]["properties"]["events"]["items"] == {"$ref": "#/components/schemas/Event"}


def test_body_of_a_fixed_schema_has_no_discriminator() -> None:
    found = components_of(contract_of("whisperr"))
    assert found["BatchRequest"]["properties"]["events"]["items"] == {"$ref": "#/components/schemas/Event"}
    assert found["Event"]["properties"]["event_type"]["pattern"]
    assert not [schema for schema in found.values() if "discriminator" in schema]


def test_body_of_one_event_is_the_event() -> None:
    document = publish.openapi(contract_of("apex"))
    body = document["paths"]["/api/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("BatchRequest", "SnippetEvent")]}


def test_protocol_of_somebody_else_is_published_too() -> None:
    contract = Library([FOURTH]).protocol("tally").contract()
    found = components_of(contract)
    assert set(found["Event"]["discriminator"]["mapping"]) == set(contract.event_schemas)
    member = next(iter(contract.event_schemas))
    reference = found["Event"]["discriminator"]["mapping"][member].rpartition("/")[2]
    assert found[reference]["properties"]["kind"]["const"] == member


@pytest.mark.parametrize("names", [("a.b", "a b"), ("a_b", "a-b"), ("event", "Event")])
def test_names_that_become_one_are_told_apart(names: tuple[str, str]) -> None:
    schemas = {name: {"title": name, "type": "object", "source": SOURCE} for name in names}
    contract = contract_of("outlit", {"events": schemas})
    found = components_of(contract)
    made = [schema for schema in found.values() if schema.get("title") in names]
    assert len(made) == 2
    assert all(name.isalnum() for name in found)


def test_reference_to_the_same_schema_is_the_same() -> None:
    contract = contract_of("outlit")
    components = Components(contract)
    (schema, *_) = contract.event_schemas.values()
    assert components.reference(schema) == components.reference(schema)
    assert len(components.schemas) == 1


def test_event_schema_that_is_used_without_a_discriminator_keeps_its_member() -> None:
    forms = {"one": {"events": "", "schema": "custom", "type": "x", "policy": "atomic", "source": SOURCE}}
    contract = contract_of("outlit", {"protocol": {"operations": {"events": {"forms": forms}}}})
    found = components_of(contract)
    assert found["CustomEvent"]["properties"]["type"] == {
        "type": "string",
        "x-source": contract.source_of("/events/shared/common/properties/type"),
    }
    assert found["PageviewEvent"]["properties"]["type"]["const"] == "pageview"
