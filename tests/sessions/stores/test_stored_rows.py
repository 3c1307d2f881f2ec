"""What is written of sessions and exchanges, and what is read from it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from mockserver.core.model import EventError, Receipt, Verdict
from mockserver.core.wire import WireReply
from mockserver.sessions.exchange import Relayed, ReplyOverride
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.steps import Step
from mockserver.sessions.stores.stored_rows import (
    RECEIPT_MEMBERS,
    ExchangeRow,
    WrittenHead,
    WrittenSession,
    read_exchange,
    read_head,
    read_json,
    read_session,
    write_json,
    written_exchange,
    written_head,
    written_session,
)
from tests.judging import NOW, wire_request
from tests.sessions.keeping import TALLY, exchange

REPLY = WireReply(status=502, headers=(("A", "b"), ("A", "\xe9")), body=b"\xff\x00")
OVERRIDES = {
    "a fault": ReplyOverride(reply=REPLY, fault={"reply": {"status": 502}, "big": 2**70}, lost=True, status_left=True),
    "an upstream": ReplyOverride(relayed=Relayed(reply=REPLY, failure="why", nearest={"a": "\ud800"}, number=7)),
    "times": ReplyOverride(answered=(NOW, 3), received_ms=NOW - 5, notes=("repeated_header", "long_session")),
    "rejected events": ReplyOverride(rejected=(EventError(index=1, reason="r", message="m"),)),
}


def test_all_members_of_a_receipt_are_written() -> None:
    columns = {"session", "seq", "verdicts"}
    assert {*RECEIPT_MEMBERS} | columns == {*Receipt.__struct_fields__}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_override_is_what_it_was(override: ReplyOverride) -> None:
    made = exchange(wire_request("/a", b"\xff"), [Verdict.ACCEPTED, Verdict.REJECTED], override=override)
    made.shared.number = 5
    row = ExchangeRow(*msgspec.structs.astuple(written_exchange(made)))
    assert (row.head, row.received_ms) == (5, made.received_ms)
    assert read_exchange(row, made.shared, "s") == made


@pytest.mark.parametrize(
    "verdicts",
    [(), (Verdict.DUPLICATE,) * 3, (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED)],
    ids=["none", "alike", "mixed"],
)
def test_receipt_is_what_it_was(verdicts: tuple[Verdict, ...]) -> None:
    made = exchange(wire_request("/a"), verdicts, seq=7, first_event=2**40)
    made.receipt = msgspec.structs.replace(
        made.receipt,
        refused="rate_limited",
        replayed=True,
        created=True,
        rate_remaining=4,
        rate_reset_ms=2**70,
        over_rate=True,
    )
    again = read_exchange(written_exchange(made), made.shared, "s")
    assert again.receipt == made.receipt
    assert all(mine is theirs for mine, theirs in zip(again.verdicts, verdicts, strict=True)), "compared by identity"


def test_head_is_what_it_was() -> None:
    request = wire_request("/a?b=\xff", b"", {"A": "b", "a": "c"}, method="PUT", truncated=True)
    request = msgspec.structs.replace(request, headers=(*request.headers, (b"X", b"\xff\x80")))
    made = exchange(request, shared_bytes=77).shared
    made.keys = frozenset({"b", "a"})
    text = write_json(written_head(made, None))
    again = read_head(read_json(text, WrittenHead), TALLY, 3)
    assert again.head.headers == request.headers
    assert (again.head.method, again.head.target, again.head.truncated) == ("PUT", request.target, True)
    assert again.head.fields[b"a"] == b"b", "of two headers the first counts"
    assert (again.keys, again.bytes, again.number, again.uses) == (made.keys, 77, 3, 0)


def test_every_setting_is_written() -> None:
    session = Session("a", SessionSettings(), 1)
    names = {*SessionSettings.__dataclass_fields__}
    assert {*msgspec.to_builtins(written_session(session, SessionSettings()).settings)} == names


def test_setting_of_the_server_is_that_of_its_next_run() -> None:
    session, defaults = Session("a", SessionSettings(), 1), SessionSettings()
    text = write_json(written_session(session, defaults))
    again = Session("a", replace(defaults, rate_limits="enforce", journal_limit=5), 1)
    read_session(again, read_json(text, WrittenSession))
    assert (again.settings.rate_limits, again.settings.journal_limit) == ("enforce", 5)


def test_step_draws_on_from_where_it_was() -> None:
    session, defaults = Session("a", SessionSettings(), 1), SessionSettings()
    step = Step({"reply": {"status": 503}, "probability": 0.5, "times": 50, "seed": 3})
    for _ in range(13):
        step.use()
    session.faults = [step]
    again = Session("a", SessionSettings(), 1)
    read_session(again, read_json(write_json(written_session(session, defaults)), WrittenSession))
    (restored,) = again.faults
    assert restored.as_json() == step.as_json()
    assert [restored.use() for _ in range(20)] == [step.use() for _ in range(20)]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 5}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        read_json(text, WrittenSession)
