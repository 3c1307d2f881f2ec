"""What a process knows of a session in Redis, and the entries of its log as they are written."""

from __future__ import annotations

import pytest
from msgspec import ValidationError
from msgspec.msgpack import encode

from mockserver.sessions.stores.replica import ENTRY, Replica, Revised, SetUp


@pytest.mark.parametrize("entry", [SetUp("{}"), Revised(3, 503, "{}", answered=True)], ids=["set_up", "revised"])
def test_entry_is_read_as_what_it_was(entry: SetUp | Revised) -> None:
    assert ENTRY.decode(encode(entry)) == entry


def test_entry_of_another_kind_is_refused() -> None:
    with pytest.raises(ValidationError):
        ENTRY.decode(encode(["unknown", 1]))


def test_replica_is_in_use_while_something_of_it_is_not_in_the_log() -> None:
    assert not Replica("a").in_use
    for name, value in {"is_open": True, "held": 1, "entries": [b"x"], "opening": object()}.items():
        replica = Replica("a")
        setattr(replica, name, value)
        assert replica.in_use


async def test_replica_is_in_use_while_redis_is_asked_for_it() -> None:
    replica = Replica("a")
    async with replica.lock:
        assert replica.in_use


def test_replica_that_forgets_begins_at_nothing() -> None:
    replica = Replica("a")
    replica.generation, replica.version, replica.newest = "g", 7, 9
    replica.numbers.append(7)
    replica.forget()
    assert (replica.generation, replica.version, replica.newest, len(replica.numbers)) == ("", 0, 0, 0)
