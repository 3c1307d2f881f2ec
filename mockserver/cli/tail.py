"""`mockserver tail`: requests as they arrive, one line each."""

from __future__ import annotations

import asyncio
import json
from asyncio import sleep
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli import parameters
from mockserver.cli.session_options import Server, server_argument, session_flag, valid_name
from mockserver.errors import UnreachableError, unknown
from mockserver.jsonkit.printable import printable, printable_json
from mockserver.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from mockserver.client.calls import Steps, Target
    from mockserver.client.stream import Stream, StreamedEvent
    from mockserver.jsonkit import Json

RETRY_S: Final = 1.0
"""Seconds between two attempts to connect again."""

COLOURS: Final = {"bad": "red", "odd": "yellow", "note": "bright_black"}

EPILOG: Final = """\b
Examples:
  mockserver tail
  mockserver tail http://127.0.0.1:8207 --session pk_demo --after 0
  mockserver tail --verdict rejected --json
  mockserver tail --session pk_ci --after 0 --count 10

A line has the time, the session, the request with its status, the verdicts of its events, and the first reason for a
refusal, or the first warning. Lines that start with -- tell of sessions that begin or end, and of what cannot be shown.
With --json, each line is an event of the stream, and nothing is abridged.

Credentials and other secrets are hidden as in exports, and names of sessions are shortened as in the log of the server.

When the connection is lost, a line on stderr says so, and the command connects again and goes on where it stopped.
After a restart of the server, a line says that what it had received before is gone.

Exit code 0: --count requests were printed; 2: usage error; 3: no mockserver at URL, or with --once the connection was
lost; 130: interrupted.
"""


@click.command(epilog=EPILOG)
@session_flag(required=False)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one in a line.")
@click.option("--protocol", metavar="NAME", shell_complete=parameters.protocol_names, help="Only this protocol.")
@click.option("--operation", metavar="NAME", help="Only this operation.")
@click.option("--type", "type_", metavar="TYPE", help="Only requests with an event of this type.")
@click.option(
    "--verdict",
    type=click.Choice(["accepted", "duplicate", "rejected"]),
    help="Only requests with an event with this verdict.",
)
@click.option(
    "--after",
    metavar="CURSOR",
    help="Begin behind this cursor, the member cursor of a line of --json; 0 for all that the server keeps. By "
    "default, only what comes from now on is printed.",
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N requests.")
@click.option("--once", is_flag=True, help="End when the connection is lost, and do not connect again.")
@server_argument("tail", default=f"http://127.0.0.1:{DEFAULT_PORT}")
def command(
    server: Server,
    name: str | None,
    as_json: bool,
    protocol: str | None,
    operation: str | None,
    type_: str | None,
    verdict: str | None,
    after: str | None,
    count: int | None,
    once: bool,
) -> None:
    """Print requests as they arrive, one line each.

    URL is the address of the server, by default that of a server on this machine.
    """
    from mockserver.client.stream import Stream

    session = None if name is None else valid_name(name)
    wanted = {"protocol": protocol, "operation": operation, "type": type_, "verdict": verdict}
    target = server.target
    stream = Stream(target, session, after, hidden=True)
    tail = _Tail(stream, {name: value for name, value in wanted.items() if value is not None}, count, as_json=as_json)
    asyncio.run(_print(target, tail, once=once))


async def _print(target: Target, tail: _Tail, *, once: bool) -> None:
    if "protocol" in tail.wanted:
        from mockserver.client.methods import run

        served = await run(target, _protocols())
        if tail.wanted["protocol"] not in served:
            raise click.UsageError(unknown("protocol", tail.wanted["protocol"], served))
    async with aclosing(_followed(tail.stream, once=once)) as events:
        async for event in events:
            if not tail.show(event):
                return


def _protocols() -> Steps[list[str]]:
    from mockserver.client.calls import Call

    served: Json = yield Call(method="GET", path="/_mock/protocols")
    return [row["name"] for row in served["protocols"]]


async def _followed(stream: Stream, *, once: bool) -> AsyncGenerator[StreamedEvent, None]:
    """Yield the events of a stream, also after the connection was lost. Raises UnreachableError, ControlError."""
    known, lost = False, False

    def opened() -> None:
        nonlocal known, lost
        if lost:
            click.echo("connected again", err=True)
        known, lost = True, False

    while True:
        try:
            async with aclosing(stream.events(opened)) as events:
                async for event in events:
                    yield event
        except UnreachableError as error:
            if once or not known:
                raise
            if not lost:
                click.echo(printable(f"{error}; connecting again"), err=True)
            lost = True
            await sleep(RETRY_S)


class _Tail:
    """What is printed: the events that are wanted, until there were enough."""

    def __init__(self, stream: Stream, wanted: Mapping[str, str], count: int | None, *, as_json: bool) -> None:
        self.stream = stream
        self.wanted = wanted
        self._left = count
        self._as_json = as_json

    def show(self, event: StreamedEvent) -> bool:
        """Print an event if it is wanted; return whether more are."""
        if event.kind == "request" and not self._is_wanted(event.data):
            return True
        self._echo(event)
        if event.kind == "request" and self._left is not None:
            self._left -= 1
        return self._left != 0

    def _is_wanted(self, data: Mapping[str, Json]) -> bool:
        """Tell whether a request has all that is wanted, what is wanted of an event in one of its events."""
        of_event = {name: self.wanted[name] for name in ("type", "verdict") if name in self.wanted}
        of_request = {name: self.wanted[name] for name in ("protocol", "operation") if name in self.wanted}
        if any(data["request"][name] != value for name, value in of_request.items()):
            return False
        rows = data["events"]
        fits = any(all(row[name] == value for name, value in of_event.items()) for row in rows)
        return not of_event or fits or data["left_out"] > 0

    def _echo(self, event: StreamedEvent) -> None:
        from mockserver.client.stream_text import line_of

        if self._as_json:
            click.echo(printable_json(json.dumps(event.as_json(), ensure_ascii=False)))
        else:
            line = line_of(event)
            click.secho(line.text, fg=COLOURS.get(line.look))
