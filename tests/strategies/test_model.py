"""Sequences of requests against a naive model: sessions, repeats, idempotency keys, rate windows, clocks.

Limits are patched down, so that a few requests reach them; everything else is the contract's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from mockserver import MockServer
from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import NOW_MS, Request
from mockserver.strategies.assembly import Assembly, Parts
from tests.sessions.stores.opened import STORES, place_of
from tests.strategies.drivers import Driver, InProcess, OverHttp
from tests.strategies.model import Action, Item, Model, ModelSession

PATCHES: dict[str, Any] = {
    "outlit": {"protocol": {"limits": {"rate_ingest": {"requests": 3, "window_ms": 5000}}}},
    "apex": {
        "protocol": {
            "limits": {"rate_events": {"requests": 2, "window_ms": 7000}, "rate_v1": {"requests": 3, "window_ms": 9000}}
        }
    },
    "whisperr": {},
}
KEYS = {
    "outlit": ("pk_one", "pk_two", "malformed"),
    "apex": ("apex_sk_one", "apex_sk_two"),
    "whisperr": ("wrk_one", "wrk_two"),
}
BROKEN_KEYWORD = {"outlit": ("path", "type"), "apex": ("data", "type"), "whisperr": ("event_type", "pattern")}
"""What is wrong with a broken event: which member, which keyword."""
ALLOWED = frozenset({"pk_one", "apex_sk_one", "wrk_one"})
IDS = st.sampled_from([None, "id-1", "id-2", "id-3"])
USERS = st.sampled_from(["user_1", "user_2"])
STEPS_MS = st.sampled_from([0, 1, 999, 1000, 4999, 5000, 7000, 9000, 899_999, 900_000, 31 * 86_400_000, -1, -6000])
NAMES = st.sampled_from(["a", "b"])
FEW, MANY = 100, 1000
"""Runs of some forty requests each, in this process."""
CONTRACTS = {
    name: library().protocol(name).contract(None, [Patch(name="model", patch=patch)] if patch else [])
    for name, patch in PATCHES.items()
}


def outlit_event(item: Item) -> Json:
    event: dict[str, Json] = {"type": "pageview", "url": "https://example.com/", "path": 5 if item.broken else "/"}
    return event if item.id is None else {**event, "uuid": item.id}


def apex_event(item: Item) -> Json:
    event: dict[str, Json] = {"type": "purchase", "url": "/cart"}
    return {**event, "data": 5} if item.broken else event


def whisperr_event(item: Item) -> Json:
    name = "Not a slug" if item.broken else "trial_started"
    event: dict[str, Json] = {"external_user_id": item.user, "event_type": name}
    event["context"] = {"$message_id": item.id or "id-0"}
    return event if item.at_ms is None else {**event, "occurred_at": rfc3339_ms(item.at_ms)}


def body_of(action: Action) -> Json:
    items = action.items
    match action.protocol, action.operation:
        case "outlit", _:
            return {"visitorId": "visitor-1", "events": [outlit_event(item) for item in items]}
        case "apex", _:
            return {"events": [apex_event(item) for item in items]}
        case _, "batch":
            return {"events": [whisperr_event(item) for item in items]}
        case _, "track":
            return whisperr_event(items[0])
        case _, "identify":
            return {"external_user_id": items[0].user}
        case _:
            return MISSING


def request_of(action: Action, contract: Contract) -> Request:
    """Write an action down as a request; an unreadable one is cut off."""
    operation = contract.operations[action.operation]
    keys = {credential.name: action.key for credential in operation.credentials}
    assembly = Assembly(operation, keys)
    params = {operation.lookup or "": action.asked}
    headers = {} if action.once is None else {"idempotency-key": action.once}
    body = body_of(action)
    raw = None if action.readable else b'{"events": ['
    return assembly.request(Parts(body=body, raw=raw, params=params, headers=headers))


class Sessions(RuleBasedStateMachine):
    """Two sessions that never see each other. `driver` and `model` are set by who makes it."""

    driver: Driver
    model: Model

    @initialize()
    def begin(self) -> None:
        self.sessions: dict[str, ModelSession] = {}
        self.last: tuple[str, Action] | None = None
        self.held: dict[tuple[str, Action], None] = {}
        for name in ("a", "b"):
            self._anew(name)

    def _anew(self, name: str) -> None:
        self.sessions[name] = ModelSession(now_ms=NOW_MS, mode="enforce")
        self.driver.change(name, "enforce", None)
        self.driver.clock(name, NOW_MS)

    @rule(times=st.integers(1, 4))
    def again(self, times: int) -> None:
        """Send the last request again, several times."""
        if self.last is not None:
            for _ in range(times):
                self._send(*self.last)

    @rule(which=st.integers(0, 3), after=st.sampled_from(["before it was held", "just in time", "too late"]))
    def retry_around_the_ends_of_a_key(self, which: int, after: str) -> None:
        """Send a request with an idempotency key again, as that runs out or before it was ever held."""
        if self.held:
            name, action = list(self.held)[which % len(self.held)]
            session = self.sessions[name]
            start = session.once.get((action.key, action.once or ""))
            if start is not None:
                ends = {
                    "before it was held": -1,
                    "just in time": self.model.held_ms - 1,
                    "too late": self.model.held_ms,
                }
                session.now_ms = start + ends[after]
                self.driver.clock(name, session.now_ms)
                self._send(name, action)

    def _send(self, name: str, action: Action) -> None:
        self.last = (name, action)
        if action.once is not None:
            self.held[self.last] = None
        predicted = self.model.send(self.sessions[name], action)
        request = request_of(action, CONTRACTS[action.protocol])
        status, headers, body = self.driver.send(name, action.protocol, request)
        assert not predicted.expect.differences(status, body), action
        assert {field: headers.get(field) for field in predicted.headers} == predicted.headers, action
        assert self.driver.counts(name) == self.sessions[name].counts, action

    @rule(
        name=NAMES,
        key=st.sampled_from(KEYS["outlit"]),
        readable=st.sampled_from([True, True, True, False]),
        items=st.lists(st.builds(Item, id=IDS, broken=st.booleans()), min_size=1, max_size=3),
    )
    def outlit_batch(self, name: str, key: str, readable: bool, items: list[Item]) -> None:
        self._send(name, Action(protocol="outlit", operation="events", key=key, readable=readable, items=tuple(items)))

    @rule(
        name=NAMES,
        key=st.sampled_from(KEYS["apex"]),
        readable=st.sampled_from([True, True, True, False]),
        once=st.sampled_from([None, "once-1", "once-2"]),
        items=st.lists(st.builds(Item, broken=st.booleans()), min_size=1, max_size=2),
    )
    def apex_server_events(self, name: str, key: str, readable: bool, once: str | None, items: list[Item]) -> None:
        action = Action(
            protocol="apex", operation="server_events", key=key, readable=readable, once=once, items=tuple(items)
        )
        self._send(name, action)

    @rule(
        name=NAMES,
        key=st.sampled_from(KEYS["apex"]),
        items=st.lists(st.builds(Item, broken=st.booleans()), max_size=2),
    )
    def apex_events(self, name: str, key: str, items: list[Item]) -> None:
        self._send(name, Action(protocol="apex", operation="events", key=key, items=tuple(items)))

    @rule(
        name=NAMES,
        key=st.sampled_from(KEYS["whisperr"]),
        items=st.lists(
            st.builds(
                Item,
                id=st.sampled_from(["id-1", "id-2", "id-3"]),
                user=USERS,
                at_ms=st.sampled_from([None, None, NOW_MS, NOW_MS + 300_000]),
                broken=st.sampled_from([False, False, False, True]),
            ),
            min_size=1,
            max_size=3,
        ),
        single=st.booleans(),
    )
    def whisperr_events(self, name: str, key: str, items: list[Item], single: bool) -> None:
        chosen = tuple(items[:1] if single else items)
        self._send(name, Action(protocol="whisperr", operation="track" if single else "batch", key=key, items=chosen))

    @rule(name=NAMES, user=USERS)
    def whisperr_identify(self, name: str, user: str) -> None:
        self._send(name, Action(protocol="whisperr", operation="identify", key="wrk_one", items=(Item(user=user),)))

    @rule(name=NAMES, user=USERS)
    def whisperr_user(self, name: str, user: str) -> None:
        self._send(name, Action(protocol="whisperr", operation="user", key="wrk_one", asked=user))

    @rule(name=NAMES, step=STEPS_MS)
    def move_clock(self, name: str, step: int) -> None:
        self.sessions[name].now_ms += step
        self.driver.clock(name, self.sessions[name].now_ms)

    @rule(at=st.sampled_from(["before it began", "just in it", "after it"]), times=st.integers(1, 4))
    def again_around_the_ends_of_a_window(self, at: str, times: int) -> None:
        """Send the last request again as its rate window ends, or from before it began."""
        if self.last is not None:
            name, action = self.last
            window = self.model.window(self.sessions[name], action)
            if window is not None:
                ends = {"before it began": window[0] - 1, "just in it": window[1] - 1, "after it": window[1]}
                self.sessions[name].now_ms = ends[at]
                self.driver.clock(name, ends[at])
                for _ in range(times):
                    self._send(name, action)

    @rule(
        name=NAMES,
        mode=st.sampled_from(["enforce", "enforce", "warn", "off"]),
        listed=st.sampled_from([None, ALLOWED]),
    )
    def change_settings(self, name: str, mode: str, listed: frozenset[str] | None) -> None:
        self.sessions[name].mode, self.sessions[name].keys = mode, listed
        self.driver.change(name, mode, listed)

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.driver.forget(name)
        self._anew(name)

    @rule()
    def restart(self) -> None:
        """Start the server again, if its store keeps what it has."""
        self.driver.restart()

    def teardown(self) -> None:
        self.driver.close()

    @invariant()
    def sessions_do_not_see_each_other(self) -> None:
        for name, session in getattr(self, "sessions", {}).items():
            assert self.driver.counts(name) == session.counts


def machine(make: Callable[[], Driver]) -> type[Sessions]:
    """Return a machine each of whose runs has a driver of its own."""

    class Driven(Sessions):
        def __init__(self) -> None:
            super().__init__()
            self.driver, self.model = make(), Model(CONTRACTS, BROKEN_KEYWORD)

    return Driven


@pytest.mark.parametrize("runs", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", STORES)
def test_core_does_what_the_model_says_when_requests_come_in_any_order(kind: str, runs: int, tmp_path: Path) -> None:
    some = runs if kind == "memory" else runs // 4
    limits = settings(max_examples=some, stateful_step_count=40, database=None, deadline=None, derandomize=True)
    numbers = count(1)

    def driver() -> InProcess:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return InProcess(CONTRACTS, kind, folder)

    run_state_machine_as_test(machine(driver), settings=limits)


@pytest.mark.parametrize("kind", STORES)
def test_server_does_what_the_model_says_when_requests_come_over_http(kind: str, tmp_path: Path) -> None:
    runs = count(1)
    limits = settings(max_examples=12, stateful_step_count=20, database=None, deadline=None, derandomize=True)
    with MockServer(store=place_of(kind, tmp_path), store_sync="normal") as server:
        run_state_machine_as_test(machine(lambda: OverHttp(server.base_url, PATCHES, next(runs))), settings=limits)
