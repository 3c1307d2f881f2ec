"""Every way to carry a key or a person, in a HAR archive and in a cassette: none of it is in what is written."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from mockserver.contract.contract import split_target
from mockserver.contract.library import library
from mockserver.contract.ownership import longest_first, owner
from tests.recording.formats.converting import converted, rows_of
from tests.recording.secret_ways import WAYS, Way

OUT: tuple[Any, ...] = ("har", "vcr")
REPLY = '{"accepted": 1, "rejected": 0}'
HOSTS = {name: protocol.contract().host for name, protocol in library().protocols.items()}
PREFIXES = longest_first(prefix for protocol in library().protocols.values() for prefix in protocol.contract().prefixes)


def url_of(way: Way) -> str:
    """Return the URL of a request at its vendor, or at nobody's host."""
    prefix = owner(PREFIXES, split_target(way.request.path)[0])
    return (HOSTS[prefix.protocol] if prefix is not None else "https://nobody.example") + way.request.path


def cassette_of(way: Way) -> bytes:
    headers = {name: [value] for name, value in way.request.headers}
    request = {"method": way.request.method, "uri": url_of(way), "body": way.request.body, "headers": headers}
    response = {"status": {"code": 202, "message": "Accepted"}, "headers": {}, "body": {"string": REPLY}}
    return yaml.safe_dump({"interactions": [{"request": request, "response": response}], "version": 1}).encode()


def archive_of(way: Way) -> bytes:
    request: dict[str, Any] = {
        "method": way.request.method,
        "url": url_of(way),
        "headers": [{"name": name, "value": value} for name, value in way.request.headers],
        "postData": {"text": base64.b64encode(way.request.body).decode(), "encoding": "base64", "mimeType": ""},
    }
    entry = {"startedDateTime": "2026-06-14T12:00:00.000Z", "request": request}
    entry["response"] = {"status": 202, "headers": [], "content": {"text": REPLY}}
    return json.dumps({"log": {"entries": [entry]}}).encode()


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", ["har", "vcr"])
def test_no_secret_of_another_programs_file_is_in_what_is_written(kind: Any, name: str) -> None:
    way = WAYS[name]
    content = archive_of(way) if kind == "har" else cassette_of(way)
    recording = converted(content, kind, "recording").content
    assert len(rows_of(recording)) == 2
    for written in (recording, *(converted(recording, "recording", out).content for out in OUT)):
        text = written.decode()
        assert not [word for word in way.hidden if word in text or quote(word) in text]
