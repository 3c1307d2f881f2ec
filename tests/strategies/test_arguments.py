"""Arguments that mean nothing: each is an error that says what there is, and none is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from mockserver import strategies
from mockserver.cli.main import main
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.strategies.sampling import draw

MAKERS: dict[str, Callable[..., object]] = {
    name: getattr(strategies, name)
    for name in ("events", "requests", "batches", "invalid", "invalid_events", "invalid_requests")
}
BAD = ("batches", "invalid", "invalid_events", "invalid_requests")
RULE = "/events/pageview/required/url"


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "options", [{"now": 1}, {"now_ms": "1"}, {"now_ms": datetime(2026, 6, 14, tzinfo=UTC)}, {"slack_ms": 1.5}]
)
def test_strategy_is_a_type_error_when_an_option_is_none_of_its_own(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="now_ms"):
        MAKERS[name]("outlit", **options)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("nosuch", {}, "available: apex, outlit, whisperr"),
        ("outlit", {"revision": "r9"}, "available: compat, documented, r1-2026-01"),
        ("outlit", {"keys": {"key": "pk_1"}}, "available: public_key"),
        ("outlit", {"contract": library().protocol("apex").contract()}, "is not the contract of outlit"),
    ],
)
def test_strategy_says_what_there_is_when_asked_for_something_else(
    name: str, protocol: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        MAKERS[name](protocol, **options)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("rules", [["/nosuch"], [], RULE, [RULE, "/events/pageveiw/required/url"]])
def test_bad_strategy_says_so_when_rules_are_none_that_it_breaks(name: str, rules: Any) -> None:
    with pytest.raises(ContractError, match="can be broken here; rules are given as a list of ids that breaches"):
        MAKERS[name]("outlit", rules=rules)


def test_rule_of_another_kind_is_an_error_when_only_that_is_asked_for() -> None:
    assert draw(strategies.invalid("outlit", rules=[RULE]), 1)[0].breach.id == RULE
    with pytest.raises(ContractError, match="no rule of this kind can be broken"):
        strategies.invalid_requests("outlit", rules=[RULE])


def test_operation_is_named_when_it_takes_no_events() -> None:
    with pytest.raises(ContractError, match=r"operation 'bootstrap' does not take events$"):
        strategies.events("outlit", operation="bootstrap")
    with pytest.raises(ContractError, match="operation 'bootstrap' does not take events of type 'pageview'"):
        strategies.invalid_events("outlit", operation="bootstrap", type="pageview")


def test_corpus_is_a_usage_error_when_it_cannot_be_written() -> None:
    done = CliRunner().invoke(main, ["sample", "--corpus", "/dev/null/corpus"])
    assert done.exit_code == 2
    assert "--corpus /dev/null/corpus: Not a directory" in done.output
