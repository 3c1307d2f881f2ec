from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from mockserver.contract import form_decoder as module
from mockserver.contract.form_decoder import UNREAD, Decoded, FormDecoder, form_decoder
from tests.judging import contract_of


def decoder_of(protocol: str, operation: str, form: str = "batch", **how: Any) -> FormDecoder | None:
    contract = contract_of(protocol, **how)
    return form_decoder(contract, contract.operations[operation].forms[form])


def decoded(protocol: str, operation: str, body: Any, **how: Any) -> Decoded | None:
    made = decoder_of(protocol, operation, **how)
    assert made is not None
    return made.decode(body if isinstance(body, bytes) else json.dumps(body).encode())


def click(**members: Any) -> dict[str, Any]:
    return {"type": "custom", "url": "u", "path": "/", "eventName": "e", **members}


def clicks(*events: Any, **members: Any) -> dict[str, Any]:
    return {"visitorId": "v", "source": "client", "events": list(events), **members}


def happening(context: Any = None, **members: Any) -> dict[str, Any]:
    return {"external_user_id": "u", "event_type": "a_b", "context": {"$message_id": "m", **(context or {})}, **members}


def test_type_of_an_event_picks_its_schema() -> None:
    good = {"type": "pageview", "url": "u", "path": "/"}
    found = decoded("outlit", "events", clicks(good, click(uuid="1"), good))
    assert found is not None
    assert len(found.events) == 3
    assert found.column(("uuid",)) == [UNSET, "1", UNSET]
    assert decoded("outlit", "events", clicks({**good, "type": "custom"})) is None
    assert decoded("outlit", "events", clicks({**good, "type": "page"})) is None


@pytest.mark.parametrize(
    "twice",
    [
        b'{"type":"pageview","type":"custom","url":"u","path":"/","eventName":"e"}',
        b'{"url":"u","type":"custom","path":"/","eventName":"e","type":"pageview"}',
    ],
)
def test_event_with_two_types_is_left_alone(twice: bytes) -> None:
    assert decoded("outlit", "events", b'{"visitorId":"v","events":[%b]}' % twice) is None


def test_texts_of_the_body_are_told_without_parsing() -> None:
    found = decoded("outlit", "events", clicks(click(), userIdentity={"email": "a"}))
    assert found is not None
    assert found.text(("source",)) == "client"
    assert found.text(("sessionId",)) is None
    assert found.text(("unheard_of",)) is None
    assert found.text(("userIdentity",)) is found.text(("userIdentity", "email")) is UNREAD


def test_further_members_of_an_object_inside_an_event_are_read_the_second_way() -> None:
    body = {"events": [happening({"library": {"name": "web"}}), happening({"$mode": "test"}), happening()]}
    found = decoded("whisperr", "batch", body)
    assert found is not None
    assert found.column(("context", "$message_id")) == ["m", "m", "m"]
    assert found.column(("context", "$mode")) == [UNSET, "test", UNSET]
    body["events"].append(happening({"$message_id": ""}))
    assert decoded("whisperr", "batch", body) is None


def test_place_that_hardly_any_event_has_is_known_to_be_empty() -> None:
    found = decoded("whisperr", "batch", {"events": [happening()]})
    assert found is not None
    assert found.column(("context", "$mode")) is None


def test_alternatives_and_texts_are_checked_in_each_event() -> None:
    nobody = {name: value for name, value in happening().items() if name != "external_user_id"}
    assert decoded("whisperr", "batch", {"events": [happening(), {**nobody, "anonymous_id": "a"}]}) is not None
    assert decoded("whisperr", "batch", {"events": [happening(), nobody]}) is None
    assert decoded("whisperr", "batch", {"events": [happening(), happening(event_type="A")]}) is None
    assert decoded("whisperr", "batch", {"events": [happening(occurred_at="2026-02-30T00:00:00Z")]}) is None


def test_number_of_events_is_that_of_the_contract() -> None:
    assert decoded("outlit", "events", clicks(*[click()] * 100)) is not None
    assert decoded("outlit", "events", clicks(*[click()] * 101)) is None
    assert decoded("outlit", "events", clicks()) is None


def test_patched_schema_is_the_one_that_is_read() -> None:
    patch = {"events": {"custom": {"properties": {"eventName": {"type": "string", "maxLength": 1}}}}}
    long = clicks(click(eventName="ab"))
    assert decoded("outlit", "events", long) is not None
    assert decoded("outlit", "events", long, patch=patch) is None
    assert decoded("outlit", "events", clicks(click()), patch=patch) is not None


def test_contracts_share_what_is_made_of_the_schemas_they_have_in_common() -> None:
    patch = {"events": {"custom": {"properties": {"eventName": {"type": "string", "maxLength": 1}}}}}
    page = {"type": "pageview", "url": "u", "path": "/"}
    base, patched = (decoded("outlit", "events", clicks(page, click()), patch=one) for one in (None, patch))
    assert base is not None
    assert patched is not None
    assert type(base.events[0]) is type(patched.events[0])
    assert type(base.events[1]) is not type(patched.events[1])


def test_form_whose_schemas_no_type_expresses_is_left_alone() -> None:
    assert decoder_of("apex", "identity_stitch", "stitch") is None
    hard = {
        "events": {"event": {"required": ["context", "event_type"], "properties": {"event_type": {"enum": [1, 2]}}}}
    }
    assert decoder_of("whisperr", "batch", patch=hard) is None


def test_place_with_a_number_may_be_in_an_array_and_is_left_alone() -> None:
    patch = {"protocol": {"dedup": {"pointer": "/context/0"}}}
    assert decoder_of("whisperr", "batch", patch=patch) is None


def test_form_of_very_many_schemas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoder_of("outlit", "events") is not None
    monkeypatch.setattr(module, "MOST_SCHEMAS", 20)
    assert decoder_of("outlit", "events") is None


def test_every_error_of_the_decoder_is_a_doubt() -> None:
    for text in (b"", b"\xff", b"{", b"[]", b"null", b'{"events":[' * 9_000):
        assert decoded("whisperr", "batch", text) is None


def test_message_about_further_members_is_that_of_the_installed_decoder() -> None:
    closed = msgspec.defstruct("Closed", [], forbid_unknown_fields=True)
    with pytest.raises(msgspec.ValidationError, match=module.FURTHER_MEMBER):
        msgspec.json.decode(b'{"a":1}', type=closed)
