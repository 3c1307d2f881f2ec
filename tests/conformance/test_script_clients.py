"""Each rule about clients of Outlit and Apex tells a client that keeps it from one that breaks it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mockserver.contract.library import library
from tests.conformance import apex_scripts, outlit_scripts
from tests.conformance.scripted import Client, Scripted, scored

SCRIPTS = {"outlit": outlit_scripts.SCRIPTS, "apex": apex_scripts.SCRIPTS}
MADE = {"outlit": outlit_scripts.MADE, "apex": apex_scripts.MADE}
REVISIONS = {"outlit": outlit_scripts.REVISIONS}
FEWEST = {"outlit": 20, "apex": 12}
RULES = [(protocol, rule) for protocol, scripts in SCRIPTS.items() for rule in scripts]


def client(protocol: str, rule: str, requests: Sequence[Scripted]) -> Client:
    """A client that sends what a script says."""
    revision = REVISIONS.get(protocol, {}).get(rule)
    return Client(protocol, "", {}, requests, made=MADE[protocol].get(rule), revision=revision)


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_each_rule_has_two_clients_when_it_is_listed(protocol: str) -> None:
    rules = library().protocol(protocol).client_rules.rules
    assert SCRIPTS[protocol].keys() == rules.keys()
    assert len(rules) >= FEWEST[protocol]


@pytest.mark.parametrize(("protocol", "rule"), RULES)
async def test_rule_passes_when_a_client_keeps_it(protocol: str, rule: str) -> None:
    scores = await scored(client(protocol, rule, SCRIPTS[protocol][rule][0]))
    assert scores[rule].verdict == "pass"
    assert {name: row.message for name, row in scores.items() if row.verdict == "fail"} == {}


@pytest.mark.parametrize(("protocol", "rule"), RULES)
async def test_rule_alone_fails_when_a_client_breaks_it(protocol: str, rule: str) -> None:
    scores = await scored(client(protocol, rule, SCRIPTS[protocol][rule][1]))
    assert [name for name, row in scores.items() if row.verdict == "fail"] == [rule]
    assert scores[rule].message
    assert scores[rule].requests
