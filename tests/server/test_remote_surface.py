"""The control surface as a whole: its document, its routes, what it says of calls it cannot carry out."""

from __future__ import annotations

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient


async def test_openapi_document_lists_exactly_the_routes_that_have_handlers(
    app_server: AppServer, control: ControlClient
) -> None:
    status, document = await control.get("/_mock/openapi.json")
    assert status == 200
    named = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(named) == len(set(named))
    assert set(named) == set(app_server.app.control._handlers)
