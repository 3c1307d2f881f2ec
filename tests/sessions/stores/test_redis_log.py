"""Redis as the store uses it: a password, a user with few rights, a cluster, turns that run out."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from mockserver.errors import SettingsError, StoreError
from mockserver.sessions.stores.redis_log import RedisLog
from tests.redis_server import SEARCH_S, RedisServer, redis_server

RIGHTS = "~mockserver:* &mockserver:* +@read +@write +@scripting +@pubsub +@connection +@transaction +info"
"""What a user of Redis needs for the store."""
MOST_ASKED = 1000
"""How often a cluster is asked whether it is ready, each time by a process of its own."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    acl = f"user mock on >secret {RIGHTS}"
    folder = tmp_path_factory.mktemp("redis")
    (folder / "users.acl").write_text(f"user default on >everything ~* &* +@all\n{acl}\n")
    with redis_server(folder, "--aclfile", str(folder / "users.acl")) as running:
        yield running


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisLog]:
    log = RedisLog(url, expiry_ms=60_000)
    try:
        await log.connect()
        yield log
    finally:
        await log.close()


def with_user(server: RedisServer, user: str, password: str) -> str:
    return server.url.replace("://", f"://{user}:{password}@")


async def test_user_with_the_rights_that_the_guide_names_can_do_everything(server: RedisServer) -> None:
    async with connected(with_user(server, "mock", "secret")) as log:
        await log.run()
        found = await log.acquire("s", "me", "", 0, "g1")
        assert found is not None
        assert (found.generation, found.version, found.entries) == ("g1", 0, [])
        assert await log.append("s", "me", "g1", 0, [b"one", b"two"], {b"d": b"head"}, release=True)
        followed = await log.follow("s", "", 0)
        assert followed is not None
        assert followed.entries == [(1, b"one"), (2, b"two")]
        assert await log.heads("s", [b"d", b"e"]) == {b"d": b"head"}
        assert await log.snapshot("s", "g1", 2, b"all", 2, [b"d"])
        followed = await log.follow("s", "", 0)
        assert followed is not None
        assert (followed.snapshot, followed.entries) == (b"all", [(2, b"two")])
        await log.own({"key": "s"}, [])
        assert (await log.owners(), await log.owners_version()) == ({"key": "s"}, 1)
        await log.acquire("s", "me", "g1", 2, "g2")
        assert await log.delete("s", "me")
        assert await log.follow("s", "", 0) is None
        assert await log.names() == []


async def test_wrong_password_is_an_error_that_does_not_tell_it(server: RedisServer) -> None:
    with pytest.raises(StoreError) as caught:
        async with connected(with_user(server, "mock", "wrongsecret")):
            pass
    assert "invalid username-password pair" in str(caught.value)
    assert "wrongsecret" not in str(caught.value)


async def test_nobody_appends_without_the_turn(server: RedisServer) -> None:
    async with connected(with_user(server, "default", "everything")) as log:
        assert await log.acquire("turn", "one", "", 0, "g") is not None
        assert await log.acquire("turn", "other", "", 0, "h") is None
        assert not await log.append("turn", "other", "g", 0, [b"x"], {}, release=True)
        assert not await log.delete("turn", "other")
        assert await log.append("turn", "one", "g", 0, [b"x"], {}, release=False)
        assert not await log.append("turn", "one", "g", 0, [b"again"], {}, release=False)
        assert await log.renew("turn", "one")
        await log.release("turn", "one")
        assert not await log.renew("turn", "one")
        assert await log.acquire("turn", "one", "g", 1, "h") is None, "the place of the next one is for the other"
        found = await log.acquire("turn", "other", "", 0, "h")
        assert found is not None
        assert (found.generation, found.entries) == ("g", [(1, b"x")])


async def test_long_log_is_read_in_pieces(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.sessions.stores.redis_log.AT_ONCE", 7)
    async with connected(with_user(server, "default", "everything")) as log:
        await log.acquire("long", "me", "", 0, "g")
        assert await log.append("long", "me", "g", 0, [str(n).encode() for n in range(40)], {}, release=True)
        followed = await log.follow("long", "g", 5)
        assert followed is not None
        assert [entry for _, entry in followed.entries] == [str(n).encode() for n in range(5, 40)]


async def test_news_tell_what_has_changed(server: RedisServer) -> None:
    async with connected(with_user(server, "mock", "secret")) as log:
        news = log.news()
        assert await anext(news) is None
        await log.acquire("a b {c}", "me", "", 0, "g")
        assert await log.append("a b {c}", "me", "g", 0, [b"x"], {}, release=True)
        assert await anext(news) == ("g", 1, "a b {c}")
        await news.aclose()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """Three nodes that share the slots."""
    with ExitStack() as stack:
        nodes = []
        for number in range(3):
            folder = tmp_path_factory.mktemp(f"node{number}")
            options = ("--cluster-enabled", "yes", "--cluster-config-file", str(folder / "nodes.conf"))
            nodes.append(stack.enter_context(redis_server(folder, *options)))
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        made = ["redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", "0", "--cluster-yes"]
        subprocess.run(made, check=True, capture_output=True, timeout=SEARCH_S)
        asked = 0
        while not all(_is_ready(node) for node in nodes):
            asked += 1
            assert asked < MOST_ASKED, "the cluster does not become ready"
        yield nodes


def _is_ready(node: RedisServer) -> bool:
    asked = ["redis-cli", "-p", str(node.port), "cluster", "info"]
    return "cluster_state:ok" in subprocess.run(asked, check=True, capture_output=True, text=True).stdout


async def test_cluster_keeps_each_session_on_one_node(cluster: list[RedisServer]) -> None:
    async with connected(cluster[0].url) as log, connected(cluster[1].url) as other:
        for number in range(12):
            name = f"session{number}"
            assert await log.acquire(name, "me", "", 0, "g") is not None
            assert await log.append(name, "me", "g", 0, [b"x"], {b"d": b"h"}, release=True)
            followed = await other.follow(name, "", 0)
            assert followed is not None
            assert followed.entries == [(1, b"x")]
        assert await other.names() == [f"session{number}" for number in range(12)]
        await log.own({"k": "session1"}, ["j"])
        assert await other.owners() == {"k": "session1"}


@pytest.mark.parametrize("url", ["redis://", "http://localhost", "redis:nothing"])
def test_url_of_something_else_is_an_error(url: str) -> None:
    with pytest.raises(SettingsError, match="--store"):
        RedisLog(url, expiry_ms=1)
