"""A recording of a session gets the score of the session."""

from __future__ import annotations

import pytest

from mockserver.conformance.client_traffic import Traffic
from mockserver.conformance.recorded_traffic import exchanges_of as recorded
from mockserver.conformance.scorecard import RuleScore, score
from mockserver.contract.library import library
from mockserver.jsonkit.jsontext import render
from mockserver.recording.recorder import Known, Recorder
from mockserver.recording.recordings import Recording, recording_of
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.exchange import Exchange
from tests.conformance.scripted import Client, exchanges_of, rule_of
from tests.conformance.test_checks import CASES, Case, named

SAMPLES = [
    case
    for case in CASES
    if case.check in {"retried", "not_retried", "same_id", "backoff", "retry_after", "attempts", "one_at_a_time"}
]


def recording(journal: list[Exchange]) -> Recording:
    """Return the recording of a journal."""
    known = Known()
    for exchange in journal:
        known.add(exchange)
    recorder = Recorder(known.scrubber(Rules.of(()), shaped=False))
    lines = [recorder.line(exchange) for exchange in journal]
    return recording_of(b"\n".join([recorder.head({}, Rules.of(()), journal[0].now_ms), *lines]), "script.ndjson")


def verdict(client: Client, case: Case, journal: list[Exchange]) -> RuleScore:
    rule = rule_of(case.check, case.parameters, looks_at=case.looks_at)
    last = max(exchange.received_ms for exchange in journal)
    (found,) = score([rule], Traffic(exchanges=journal, until_ms=last, final=True, made=client.made))
    return found


@pytest.mark.parametrize("case", SAMPLES, ids=named)
async def test_recording_gets_the_score_of_the_session(case: Case) -> None:
    for client in (case.keeps, case.breaks):
        journal = await exchanges_of(client)
        contracts = {client.protocol: library().protocol(client.protocol).contract()}
        read = await recorded(recording(journal), contracts)
        own, again = verdict(client, case, journal), verdict(client, case, read)
        assert (again.verdict, again.requests) == (own.verdict, own.requests)
        assert render([exchange.client_status for exchange in read]) == render(
            [exchange.client_status for exchange in journal]
        )
