"""Handlers of the control surface that publish contracts: OpenAPI, JSON Schemas, and the facts with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.examples import read_examples
from mockserver.contract.fidelity import facts
from mockserver.contract.serving import ContractChoice
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.server.control import SESSION_PREFIX, Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase
from mockserver.server.published_control import published
from mockserver.server.turns import Turn
from mockserver.sessions.session_name import SessionNameError, session_name

CHOICES: Final = ("revision", "session")
"""Query parameters that choose another contract than the server's."""


class DocumentHandlers(HandlerBase):
    """The handlers of calls for documents."""

    async def get_openapi(self, call: Call) -> Json:
        """Return the OpenAPI document of the control surface."""
        return await Turn().do(partial(published, _base(call)), large=True)

    async def get_protocol_openapi(self, call: Call) -> Json:
        """Return the OpenAPI document of a protocol; that of a session has the session's own URL."""
        contract, session = self._chosen(call), call.query.get("session")
        server = _base(call) + ("" if session is None else f"{SESSION_PREFIX}{quote(session, safe='')}")
        folder = self.contracts.library.protocol(contract.name).folder
        return await Turn().do(lambda: publish.openapi(contract, read_examples(folder), server), large=True)

    async def get_schemas(self, call: Call) -> Json:
        """Return the JSON Schemas of one document."""
        contract, document = self._chosen(call), _document(call)
        return await Turn().do(lambda: publish.schemas(contract, document, _base(call), _query(call)), large=True)

    async def get_schema(self, call: Call) -> Json:
        """Return one JSON Schema, whose `$id` is where it was asked for."""
        contract, document, name = self._chosen(call), _document(call), call.params["name"]
        names = publish.schema_names(contract, document)
        if name not in names:
            raise RejectedError(404, unknown("schema", name, names), parameter="name")
        return await Turn().do(lambda: publish.schema(contract, document, name, _base(call), _query(call)), large=True)

    async def list_facts(self, call: Call) -> Json:
        """List every fact with its source."""
        protocol, basis = call.query.get("protocol"), call.query.get("basis")
        names, listed, turn = list(self.contracts.served) if protocol is None else [protocol], list[Json](), Turn()
        for name in names:
            listed += await turn.do(lambda: facts(self._contract(name, call)), large=True)  # noqa: B023
        return {"facts": [fact for fact in listed if basis in (None, fact["basis"])]}

    def _chosen(self, call: Call) -> Contract:
        return self._contract(call.params["protocol"], call)

    def _contract(self, protocol: str, call: Call) -> Contract:
        """Return the contract of a protocol that a call asks for. Raises RejectedError with the nearest name."""
        if protocol not in self.contracts.served:
            raise RejectedError(404, unknown("protocol", protocol, self.contracts.served), parameter="protocol")
        revision, session = (call.query.get(name) for name in CHOICES)
        if revision is not None and session is not None:
            raise RejectedError(
                400, "a session has its own revision: give `revision` or `session`", parameter="session"
            )
        if session is not None:
            return self.contracts.of(self._choices_of(session), protocol)
        if revision is None:
            return self.contracts.served[protocol]
        try:
            return self.contracts.resolve(protocol, ContractChoice(revision=revision))
        except ContractError as error:
            raise RejectedError(404, f"{protocol}: {error.problem}", parameter="revision") from None

    def _choices_of(self, text: str) -> Mapping[str, ContractChoice]:
        try:
            name = self.store.owner(session_name(text))
        except SessionNameError as error:
            raise RejectedError(400, str(error), parameter="session") from None
        session = self.store.peek(name)
        if session is None:
            known = (other.name for other in self.store.sessions())
            raise RejectedError(404, unknown("session", text, known), parameter="session")
        return session.settings.protocols


def _base(call: Call) -> str:
    return f"{call.request.scheme}://{call.request.headers.get('Host', 'localhost')}"


def _query(call: Call) -> str:
    """Return the query that chooses the contract of a call, with its `?`."""
    chosen = {name: call.query[name] for name in CHOICES if name in call.query}
    return f"?{urlencode(chosen)}" if chosen else ""


def _document(call: Call) -> str:
    name = call.params["document"]
    if name not in publish.PUBLISHED_DOCUMENTS:
        raise RejectedError(404, unknown("document", name, publish.PUBLISHED_DOCUMENTS), parameter="document")
    return name
