"""Building the requests that files describe, or that a payload needs around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from mockserver.contract.operation import Operation
from mockserver.core.model import Judged
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.recording.redaction.secret_names import PLACEHOLDER

IN_SESSION: Final = re.compile(r"^/_mock/s/[^/?]+(?=/)")
"""The path prefix of a session's own base URL."""


def wire_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> WireRequest:
    """Return a request as it arrives at a server; a session's own base URL is removed from the target."""
    pairs = tuple((name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in headers)
    fields = {name.lower(): value for name, value in reversed(pairs)}
    return WireRequest(method=method, target=IN_SESSION.sub("", target), headers=pairs, fields=fields, body=body)


def request_with_body(operation: Operation, body: Json) -> WireRequest:
    """Return a request to an operation, with a JSON body and the contract's example of a credential."""
    path, headers = operation.path, {"content-type": "application/json"}
    for credential in operation.credentials[:1]:
        example = credential.example or credential.name
        if credential.place == "path":
            path = path.replace("{" + credential.parameter + "}", example)
        elif credential.place == "header":
            headers[credential.parameter.lower()] = example
        elif credential.place == "bearer":
            headers["authorization"] = f"Bearer {example}"
    return wire_request(operation.method, path, headers.items(), render(body))


def with_example_credential(request: WireRequest, judged: Judged) -> WireRequest:
    """Replace the placeholder of an export by the contract's example of a credential."""
    for credential in judged.operation.credentials if judged.operation else ():
        if judged.credential_name in (None, credential.name) and credential.example is not None:
            placeholder, example = PLACEHOLDER.encode(), credential.example.encode()
            return replace(
                request,
                target=request.target.replace(PLACEHOLDER, credential.example),
                headers=tuple((name, value.replace(placeholder, example)) for name, value in request.headers),
                fields={name: value.replace(placeholder, example) for name, value in request.fields.items()},
            )
    return request
