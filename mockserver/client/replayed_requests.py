"""The requests of a recording as they are sent again: with other keys, and with times that are near now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, unquote

from msgspec.structs import replace

from mockserver.contract.contract import Contract
from mockserver.contract.sections import Credential
from mockserver.core.body import RequestBody
from mockserver.core.route import credentials, route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import matches
from mockserver.recording.normalisation.moments import put, shifted
from mockserver.recording.normalisation.normal_form import normal_form
from mockserver.recording.recorded_body import content_of, packed
from mockserver.recording.recordings import RecordedExchange, Recording

REFUSED: Final = (401, 403)
"""Statuses of replies to requests whose keys stay as they are: they were refused then."""
_READABLE: Final = ("gzip", "deflate", "identity")


def refused_keys(recording: Recording, contracts: Mapping[str, Contract]) -> set[str]:
    """Return the keys that were never taken: each request with one was answered with 401 or 403."""
    taken, refused = set[str](), set[str]()
    for exchange in recording.exchanges:
        contract = contracts.get(exchange.protocol)
        if contract is not None and exchange.reply is not None:
            keys = {key for _, key in _credentials(exchange.request, contract)}
            (refused if exchange.reply.status in REFUSED else taken).update(keys)
    return refused - taken


def why_not(exchange: RecordedExchange) -> str | None:
    """Return why a request cannot be sent again; None if it can."""
    request = exchange.row["request"]
    if "incomplete" in request:
        return f"its body is incomplete: {request['incomplete']}"
    if "left_out" in request["body"]:
        return f"its body is not in the recording: {request['body']['left_out']}"
    return None


class Sender:
    """Makes the requests to send. `keys` are those to send, by protocol; `kept` are keys that stay as they are."""

    def __init__(self, contracts: Mapping[str, Contract], keys: Mapping[str, Sequence[str]], kept: set[str]) -> None:
        self._contracts = contracts
        self._keys = keys
        self._kept = kept
        self.missing: set[str] = set()
        """The credentials for which no key was given, as `protocol/credential`."""

    def request(self, exchange: RecordedExchange, shift_ms: int | None) -> WireRequest:
        """Return a request to send; `shift_ms` moves the times of its events."""
        contract, request = self._contracts.get(exchange.protocol), exchange.request
        if contract is None:
            return request
        if shift_ms is not None:
            request = _rebased(exchange, contract, shift_ms)
        for credential, value in list(_credentials(request, contract)):
            key = None if value in self._kept else self._key(contract, credential)
            if key is not None:
                request = _with_key(request, credential, value, key)
        return replace(request, headers=tuple(_sendable(request)))

    def _key(self, contract: Contract, credential: Credential) -> str | None:
        given = self._keys.get(contract.name, ())
        fitting = [key for key in given if _fits(key, credential)]
        if credential.pattern is None and len(fitting) > 1:
            others = [known for known in contract.credentials.values() if known.pattern is not None]
            fitting = [key for key in fitting if not any(_fits(key, other) for other in others)] or fitting
        if not fitting:
            self.missing.add(f"{contract.name}/{credential.name}")
        return fitting[0] if fitting else None


def _fits(key: str, credential: Credential) -> bool:
    return credential.pattern is None or matches(credential.pattern, key)


def _credentials(request: WireRequest, contract: Contract) -> Iterator[tuple[Credential, str]]:
    judged = route(RequestBody(request), contract)
    yield from credentials(judged, judged.operation)


def _with_key(request: WireRequest, credential: Credential, value: str, key: str) -> WireRequest:
    """Return a request with a key in the place of a credential."""
    match credential.place:
        case "header" | "bearer":
            name = b"authorization" if credential.place == "bearer" else credential.parameter.lower().encode()
            old, new = value.encode(), key.encode()
            headers = [(own, text.replace(old, new) if own.lower() == name else text) for own, text in request.headers]
            fields = {own.lower(): text for own, text in reversed(headers)}
            return replace(request, headers=tuple(headers), fields=fields)
        case "path" | "query":
            return replace(request, target=_in_target(request.target, value, key))
    encoding = request.header(b"content-encoding") or ""
    body = RequestBody(request)
    body.decode(1 << 40)
    return replace(request, body=packed(body.text.replace(render(value), render(key)), encoding))


def _in_target(target: str, value: str, key: str) -> str:
    """Return a target with a key for each segment, and each value of a parameter, that is another one."""
    words = re.split(r"([/?&=])", target)
    return "".join(quote(key, safe="-._~") if unquote(word) == value else word for word in words)


def _rebased(exchange: RecordedExchange, contract: Contract, shift_ms: int) -> WireRequest:
    """Return a request whose event times are moved, those that the contract knows."""
    body: Json = exchange.row["request"]["body"]
    if "json" not in body:
        return exchange.request
    moved: dict[tuple[str | int, ...], Json] = {}
    for mark in normal_form(contract).marks(body["json"]):
        if mark.kind == "time" and mark.known:
            moved[mark.place] = shifted(mark.value, shift_ms)
    encoding = exchange.request.header(b"content-encoding") or ""
    content = content_of({"json": put(body["json"], moved)}, encoding)
    return replace(exchange.request, body=content)


def _sendable(request: WireRequest) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers, repeated ones in one case, without encodings of replies that cannot be read here."""
    cases: dict[bytes, bytes] = {}
    for name, value in request.headers:
        if name.lower() == b"accept-encoding":
            known = [word.strip() for word in value.decode("latin-1").split(",")]
            value = ", ".join(word for word in known if word.partition(";")[0] in _READABLE).encode() or b"identity"
        yield cases.setdefault(name.lower(), name), value
