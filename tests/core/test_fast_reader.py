"""The fast reader says good only where the full judgement does: `both_paths` compares them over a million bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Annotated, Any, Final

import msgspec
import pytest

from mockserver.contract import form_decoder, typed_decoder
from mockserver.contract.contract import Contract
from mockserver.contract.known_texts import KnownTexts
from mockserver.core import events, fast_reader
from mockserver.core.body import LARGE, RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import jsontext
from tests.core.both_paths import CONTRACTS, Paths, Pool, bodies, pool_of, run, shaped
from tests.core.seeds import SEEDS
from tests.judging import NOW, TERMS, contract_of, wire_request

FEW: Final = 150


@pytest.fixture(scope="module")
def pools() -> list[Pool]:
    return [pool_of(*contract, size=0) for contract in CONTRACTS]


def seed(protocol: str, number: int = 0) -> WireRequest:
    target, headers, body = SEEDS[protocol][number]
    return wire_request(target, body, {"Content-Type": "application/json", **headers})


def judged_fast(request: WireRequest, contract: Contract) -> Judged:
    return judge(route(RequestBody(request, fast=True), contract), TERMS)


def warmed(protocol: str, patch: Any = None, revision: str | None = None) -> Contract:
    contract = contract_of(protocol, patch, revision)
    Paths(contract)
    return contract


def test_both_paths_say_the_same(pools: list[Pool]) -> None:
    fast = 0
    for pool in pools:
        paths, found = Paths(pool.contract), bodies(Random(1), pool)
        for _ in range(FEW):
            paths.check(next(found))
        fast += paths.fast
    assert fast > len(pools) * FEW // 20, "the fast reader hardly took any"


def test_both_paths_say_the_same_of_every_shape_at_every_member(pools: list[Pool]) -> None:
    for pool in pools:
        paths = Paths(pool.contract)
        for request in pool.requests:
            for each in shaped(request, share=60):
                paths.check(each)
        assert paths.judged > 50


@pytest.mark.full
def test_both_paths_say_the_same_of_a_million_bodies() -> None:
    judged, fast = run(1_000_000)
    assert judged == 1_000_000
    assert fast > 50_000


Spoil = Callable[[pytest.MonkeyPatch], None]


def _skips(monkeypatch: pytest.MonkeyPatch) -> None:
    real = msgspec.defstruct

    def forgiving(*args: Any, **options: Any) -> Any:
        return real(*args, **{**options, "forbid_unknown_fields": False})

    monkeypatch.setattr(msgspec, "defstruct", forgiving)


def _any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "ANYTHING", msgspec.Raw)


def _any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "ANYTHING", Any)


def _texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownTexts, "all_fit", lambda self, texts: True)


def _alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder.Kind, "_has_alternatives", lambda self, values, columns: True)


def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_is_in_time", lambda judged, decoded: True)


def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "_limited", lambda kind, schema, names: kind)


def _long_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "_number", lambda schema: int | float)


def _bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "_integer", lambda schema: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)])
    monkeypatch.setattr(typed_decoder, "_bounds", lambda schema: {"ge": -1e300})


def _enums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_decoder, "_literal", lambda schema: str)


def _ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_keys", lambda ids: None)


FORGIVING: Final[Mapping[Spoil, tuple[str, bool]]] = {
    **dict.fromkeys((_skips, _any_value, _limits, _long_integers, _enums), ("outlit", False)),
    **dict.fromkeys((_any_depth, _texts, _alternatives, _windows, _ids), ("whisperr", False)),
    _bounds: ("outlit", True),
}
"""Ways to make the reader too forgiving, each with a contract under which that shows, patched or not."""


@pytest.mark.parametrize("spoil", FORGIVING, ids=lambda spoil: spoil.__name__[1:])
def test_difference_is_found_where_the_reader_is_too_forgiving(spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol, patched = FORGIVING[spoil]
    pool = pool_of(protocol, None, patched, size=0)
    monkeypatch.setattr(fast_reader, "_READERS", type(fast_reader._READERS)())
    monkeypatch.setattr(form_decoder, "_TAGGED", type(form_decoder._TAGGED)())
    spoil(monkeypatch)
    paths, found = Paths(pool.contract), bodies(Random(1), pool)
    with pytest.raises(AssertionError):  # noqa: PT012, the first difference may be anywhere
        for request in pool.requests:
            for each in shaped(request):
                paths.check(each)
                paths.check(next(found))


@pytest.mark.parametrize("revision", ["r3-2026-05", "r4-2026-08", "documented"])
def test_contract_with_rules_that_no_type_expresses_has_no_reader(revision: str) -> None:
    contract = warmed("outlit", revision=revision)
    assert fast_reader.reader_of(contract, contract.operations["events"]) is None


@pytest.mark.parametrize(
    ("protocol", "operation"),
    [
        ("outlit", "events"),
        ("apex", "events"),
        ("apex", "server_events"),
        ("whisperr", "batch"),
        ("whisperr", "track"),
        ("whisperr", "identify"),
    ],
)
def test_operation_that_takes_events_has_a_reader(protocol: str, operation: str) -> None:
    contract = warmed(protocol)
    assert fast_reader.reader_of(contract, contract.operations[operation]) is not None


def test_reader_is_made_when_an_operation_is_used_again() -> None:
    contract = contract_of("whisperr", {"protocol": {"title": "a title of its own"}})
    read = [judged_fast(seed("whisperr"), contract).decoded is not None for _ in range(fast_reader.USES_BEFORE + 2)]
    assert read == [False] * fast_reader.USES_BEFORE + [True, True]


@pytest.mark.parametrize("protocol", ["outlit", "apex", "whisperr"])
def test_good_body_is_not_parsed_until_somebody_asks(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contract, request, parsed = warmed(protocol), seed(protocol), list[bytes]()
    real = jsontext.parse

    def noting(text: bytes) -> tuple[Any, bool]:
        parsed.append(text)
        return real(text)

    monkeypatch.setattr(jsontext, "parse", noting)
    judged = judged_fast(request, contract)
    count = judged.count
    assert parsed == []
    assert len(judged.events) == count == len(judged.body["events"])
    assert parsed == [request.body]


def test_body_of_another_kind_of_request_is_judged_in_full() -> None:
    contract, request = warmed("whisperr"), seed("whisperr")
    assert judged_fast(request, contract).decoded is not None
    assert judge(route(RequestBody(request), contract), TERMS).decoded is None
    large = msgspec.structs.replace(request, body=request.body + b" " * LARGE)
    assert judged_fast(large, contract).decoded is None
    assert judged_fast(large, contract).refusal is None


def test_times_that_are_out_of_the_window_are_explained_in_full() -> None:
    contract, request = warmed("whisperr"), seed("whisperr")
    late = judge(route(RequestBody(request, fast=True), contract), msgspec.structs.replace(TERMS, now_ms=NOW + 10**10))
    assert late.refusal is not None
    assert late.refusal.reason == "timestamp_out_of_window"
    assert late.refusal.finding.pointer == "/events/0/occurred_at"
