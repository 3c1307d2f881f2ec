"""Values between the steps of the pipeline: what they derive, and that what must not change cannot."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mockserver.core.findings import Finding
from mockserver.core.model import NO_PLACEHOLDERS, Receipt, Refusal, Terms, Verdict
from mockserver.core.wire import WireReply, WireRequest
from tests.judging import COLLECT, NOW, collection, contract_of, judged, routed, sale, wire_request

TALLY = contract_of("tally")
FINDING = Finding(rule="/r", severity="error", pointer="/p", expected=1, got=2, source="assumed: x", message="m")


def test_finding_is_shown_with_its_members_in_order() -> None:
    assert list(FINDING.as_json().items()) == [
        ("rule", "/r"),
        ("severity", "error"),
        ("pointer", "/p"),
        ("expected", 1),
        ("got", 2),
        ("source", "assumed: x"),
        ("message", "m"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        FINDING,
        Refusal(reason="r", order=1, finding=FINDING),
        Terms(now_ms=NOW),
        WireReply(status=200, headers=(), body=b""),
        wire_request(COLLECT),
    ],
)
def test_value_cannot_be_changed(value: object) -> None:
    with pytest.raises(AttributeError):
        setattr(value, next(iter(type(value).__slots__)), None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("verdicts", "tally"),
    [
        ("", (0, 0, 0)),
        ("a", (1, 0, 0)),
        ("ddd", (0, 3, 0)),
        ("rr", (0, 0, 2)),
        ("ardda", (2, 2, 1)),
        ("raa", (2, 0, 1)),
    ],
)
def test_tally_counts_each_verdict(verdicts: str, tally: tuple[int, int, int]) -> None:
    named = {verdict[0]: verdict for verdict in Verdict}
    receipt = Receipt(session="s", seq=1, first_event=1, verdicts=tuple(named[letter] for letter in verdicts))
    assert receipt.tally() == tally


def test_terms_only_warn_about_rates_and_take_any_key_unless_told_otherwise() -> None:
    terms = Terms(now_ms=NOW)
    assert (terms.keys, terms.rate_mode) == (None, "warn")
    assert terms.placeholders is NO_PLACEHOLDERS
    with pytest.raises(TypeError):
        NO_PLACEHOLDERS["a"] = "b"  # type: ignore[index]


@pytest.mark.parametrize("verdict", Verdict)
def test_verdict_is_written_as_its_value(verdict: Verdict) -> None:
    assert str(verdict) == verdict.value == verdict.name.lower()


def test_header_is_found_by_its_lower_case_name_whatever_its_bytes() -> None:
    request = WireRequest(
        method="GET", target="/", headers=(), fields={b"x-a": b"\xc3\xa9", b"x-b": b"\xc3\xa9\xff"}, body=b""
    )
    assert request.header(b"x-a") == "é"
    assert request.header(b"x-b") == "Ã©ÿ"
    assert request.header(b"X-A") is None


def test_operation_is_named_as_the_contract_names_it() -> None:
    assert judged(TALLY, wire_request(COLLECT, collection(sale()))).operation_name == "collect"
    assert judged(TALLY, wire_request("/tally/nowhere")).operation_name is None
    preflight = wire_request("/v1/identify", method="OPTIONS")
    assert judged(contract_of("whisperr"), preflight).operation_name == "preflight"


def test_engine_sees_lone_surrogates_as_replacement_characters() -> None:
    result = routed(TALLY, wire_request(COLLECT, b'{"token": "\\ud800"}'))
    assert result.request_body.parse(100)
    value = result.request_body.value
    assert value == {"token": "\ud800"}
    assert result.engine_view(value) == {"token": "\ufffd"}
    plain = routed(TALLY, wire_request(COLLECT, b"{}"))
    assert plain.engine_view(value) is value


def test_request_of_a_judgement_is_the_one_that_arrived() -> None:
    request = wire_request(COLLECT, b"{}", {"A": "b"})
    assert routed(TALLY, request).request is request
    assert replace(request, late=True) != request
