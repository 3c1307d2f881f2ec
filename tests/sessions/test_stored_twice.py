"""The flag `stored_twice` against a naive model, over random resends with and without ids."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sessions.test_ledger import OUTLIT, Wire, clicks

Answer = Literal["acknowledged", "lost", "unavailable"]
STEPS: dict[Answer, dict[str, Any] | None] = {
    "acknowledged": None,
    "lost": {"connection": "drop", "when": "after_commit"},
    "unavailable": {"reply": {"status": 503}},
}
Event = tuple[str, int | None]
"""The content of an event, and its id if it has one."""


@dataclass(eq=False)
class Known:
    """What the model knows of one event: the requests that brought it, and how often it was stored."""

    event: Event
    requests: list[int]
    copies: int = 0
    acknowledged: bool = False
    copy_of: Known | None = None
    copied: list[Known] = field(default_factory=list)


def flagged(requests: list[tuple[list[Event], Answer]]) -> list[bool]:
    """Say of each event, in the order of their first arrival, whether it is stored twice."""
    known: list[Known] = []
    for number, (events, answer) in enumerate(requests):
        stored_ids = {row.event[1] for row in known if row.copies}
        came = [same_event(known, event, number) for event in events]
        for row in came:
            if row.requests == [number]:
                find_original(known, row)
        for row in came:
            id = row.event[1]
            if answer != "unavailable" and (id is None or id not in stored_ids):
                row.copies += 1
                stored_ids.add(id)
            row.acknowledged = row.acknowledged or answer == "acknowledged"
    return [row.copies > 1 or (row.copies > 0 and original_is_stored(row)) for row in known]


def same_event(known: list[Known], event: Event, number: int) -> Known:
    """An id names its event; without one it is the next of this content that was not acknowledged, or a new one."""
    if event[1] is None:
        same = [row for row in known if row.event == event and number not in row.requests and not row.acknowledged]
    else:
        same = [row for row in known if row.event[1] == event[1]]
    row = same[0] if same else Known(event, [])
    if not same:
        known.append(row)
    if number not in row.requests:
        row.requests.append(number)
    return row


def find_original(known: list[Known], row: Known) -> None:
    """A new event may be the copy of one of the same content of whose delivery the client was not told."""
    for other in known:
        together = row.requests[0] in other.requests
        if other.event[0] == row.event[0] and not (other.acknowledged or together or other.copied or row.copy_of):
            row.copy_of = other
            other.copied.append(row)


def original_is_stored(row: Known) -> bool:
    """The event that this is a copy of is stored too, and did not come again itself."""
    original = row.copy_of
    if original is None or original.requests[-1] >= row.requests[0]:
        return False
    return original.copies > 0 or original_is_stored(original)


async def flags_of(requests: list[tuple[list[Event], Answer]]) -> list[bool]:
    wire = Wire()
    for events, answer in requests:
        body = clicks(*(content for content, _ in events))
        for sent, (content, id) in zip(body["events"], events, strict=True):
            if id is not None:
                sent["uuid"] = f"0190a1b2-0000-7000-8000-{'ab'.index(content)}0000000000{id}"
        await wire.send(OUTLIT, body, STEPS[answer])
    return ["stored_twice" in row["flags"] for row in wire.rows()]


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(0, 3)), min_size=1, max_size=3),
            st.sampled_from(list(STEPS)),
        ),
        max_size=7,
    )
)
@settings(deadline=None, max_examples=300)
def test_ledger_agrees_with_a_naive_model_about_what_is_stored_twice(
    requests: list[tuple[list[Event], Answer]],
) -> None:
    tagged = [
        ([(content, None if id is None else id + 4 * "ab".index(content)) for content, id in events], answer)
        for events, answer in requests
    ]
    assert asyncio.run(flags_of(tagged)) == flagged(tagged)
