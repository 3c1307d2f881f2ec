"""The published documents over HTTP: each `$id` leads to its schema, a revision or a session has its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest

from mockserver.contract.publish import PUBLISHED_DOCUMENTS
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient

PROTOCOLS = ("outlit", "apex", "whisperr")
STRICT = {"events": {"event": {"properties": {"event_type": {"maxLength": 7}}}}}


def identifiers(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield each `$id` in a document with the schema that has it."""
    if isinstance(document, dict):
        if isinstance(document.get("$id"), str):
            yield document["$id"], document
        for inner in document.values():
            yield from identifiers(inner)


@pytest.mark.parametrize("query", ["", "?revision=documented", "?session=pk_with%20a%20blank"])
@pytest.mark.parametrize("document", PUBLISHED_DOCUMENTS)
async def test_each_id_leads_to_its_schema(
    app_server: AppServer, control: ControlClient, document: str, query: str
) -> None:
    await control.patch("/_mock/sessions/pk_with%20a%20blank", {"rate_limits": "off"})
    for protocol in ("apex",) if "revision" in query else PROTOCOLS:
        status, schemas = await control.get(f"/_mock/schemas/{protocol}/{document}.json{query}")
        assert status == 200
        found = dict(identifiers(schemas))
        assert len(found) == 1 + len(schemas["$defs"]) > 1
        for identifier, schema in found.items():
            assert identifier.startswith(app_server.url)
            assert await control.get(identifier.removeprefix(app_server.url)) == (200, schema)


async def test_id_of_a_schema_with_an_odd_name_leads_to_it(app_server: AppServer, control: ControlClient) -> None:
    odd = {"a/b?c#d": {"type": "object", "source": "assumed: for a test"}}
    await control.patch("/_mock/sessions/pk_odd", {"protocols": {"outlit": {"patch": {"events": odd}}}})
    _, schemas = await control.get("/_mock/schemas/outlit/events.json?session=pk_odd")
    schema = schemas["$defs"]["a/b?c#d"]
    assert await control.get(schema["$id"].removeprefix(app_server.url)) == (200, schema)


async def test_body_schema_judges_alone(control: ControlClient) -> None:
    _, schema = await control.get("/_mock/schemas/outlit/bodies/events.json")
    event = {"type": "pageview", "url": "https://example.com/", "path": "/"}
    valid = jsonschema_rs.validator_for(schema).is_valid
    assert valid({"visitorId": "v", "events": [event]})
    assert valid({"visitorId": "v", "events": [{**event, "referrer": None}]})
    assert not valid({"events": [event]})
    assert not valid({"visitorId": "v", "events": [{**event, "type": "purchase"}]})


async def test_documents_of_a_session_are_those_of_its_contract_and_its_url(
    app_server: AppServer, control: ControlClient, vendor: VendorClient
) -> None:
    await control.patch(f"/_mock/sessions/{vendor.key}", {"protocols": {"whisperr": {"patch": STRICT}}})
    query = f"?session={quote(vendor.key)}"
    _, own = await control.get(f"/_mock/openapi/whisperr.json{query}")
    _, others = await control.get("/_mock/openapi/whisperr.json")
    lengths = [d["components"]["schemas"]["Event"]["properties"]["event_type"].get("maxLength") for d in (own, others)]
    assert lengths == [7, None]
    urls = [document["servers"][0]["url"] for document in (own, others)]
    assert urls == [f"{app_server.url}/_mock/s/{vendor.key}", app_server.url]
    _, schemas = await control.get(f"/_mock/schemas/whisperr/events.json{query}")
    assert schemas["$defs"]["event"]["properties"]["event_type"]["maxLength"] == 7
    _, ledger = await control.get(f"/_mock/fidelity{query}&protocol=whisperr&basis=patch")
    (changed,) = ledger["facts"]
    assert changed["pointer"].startswith("/events/event/properties/event_type")


async def test_documents_of_a_revision_are_those_of_its_contract(control: ControlClient) -> None:
    _, document = await control.get("/_mock/openapi/outlit.json?revision=r4-2026-08")
    assert document["info"]["version"] == "r4-2026-08"
    _, schemas = await control.get("/_mock/schemas/outlit/events.json?revision=r4-2026-08")
    assert schemas["title"] == "outlit events, revision r4-2026-08"
    _, ledger = await control.get("/_mock/fidelity?protocol=whisperr&revision=async-2026-10")
    _, other = await control.get("/_mock/fidelity?protocol=whisperr")
    assert ledger != other


@pytest.mark.parametrize(
    ("path", "status", "detail", "parameter"),
    [
        ("openapi/outlit.json?revision=r4-2026", 404, 'did you mean "r4-2026-08"?', "revision"),
        ("schemas/outlit/events.json?revision=r4-2026", 404, 'did you mean "r4-2026-08"?', "revision"),
        ("schemas/outlit/events/custom.json?revision=r4-2026", 404, 'did you mean "r4-2026-08"?', "revision"),
        ("fidelity?revision=r4-2026&protocol=outlit", 404, 'did you mean "r4-2026-08"?', "revision"),
        ("openapi/outlit.json?session=pk_shp", 404, 'unknown session "pk_shp", did you mean "pk_shop"?', "session"),
        ("schemas/outlit/events.json?session=pk_shp", 404, 'did you mean "pk_shop"?', "session"),
        ("fidelity?session=pk_shp", 404, 'did you mean "pk_shop"?', "session"),
        ("openapi/outlit.json?session=..", 400, "session", "session"),
        ("openapi/outlit.json?session=pk_shop&revision=compat", 400, "`revision` or `session`", "session"),
        ("openapi/outlet.json", 404, 'did you mean "outlit"?', "protocol"),
        ("schemas/outlit/event.json", 404, 'unknown document "event", did you mean "events"?', "document"),
        ("schemas/outlit/events/costum.json", 404, 'unknown schema "costum", did you mean "custom"?', "name"),
        ("schemas/outlit/bodies/bootstrap.json", 404, 'unknown schema "bootstrap"', "name"),
        ("openapi/outlit.json?revison=compat", 400, 'did you mean "revision"?', "revison"),
    ],
)
async def test_unknown_name_is_refused_with_the_nearest_one(
    control: ControlClient, path: str, status: int, detail: str, parameter: str
) -> None:
    await control.patch("/_mock/sessions/pk_shop", {"rate_limits": "off"})
    got, problem = await control.get(f"/_mock/{path}")
    assert (got, problem["parameter"]) == (status, parameter)
    assert detail in problem["detail"]


async def test_question_about_a_session_makes_none(control: ControlClient) -> None:
    await control.get("/_mock/openapi/outlit.json?session=pk_new")
    assert (await control.get("/_mock/sessions"))[1]["sessions"] == []


async def test_document_of_the_control_surface_names_this_server(app_server: AppServer, control: ControlClient) -> None:
    _, document = await control.get("/_mock/openapi.json")
    assert [server["url"] for server in document["servers"]] == [app_server.url]
    assert document["components"]["securitySchemes"]["admin_token"]["scheme"] == "bearer"
    assert document["security"] == [{"admin_token": []}, {}]
    assert document["paths"]["/livez"]["get"]["security"] == []
