"""The page about security: its figures are those of the code, and its Compose file starts a guarded server."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from mockserver.cli.parameters import ByteSize
from mockserver.contract import schema, serving
from mockserver.contract.library import library
from mockserver.core import findings, wording
from mockserver.jsonkit import jsontext, yamltext
from mockserver.recording.replay import tape
from mockserver.server import (
    aiohttp_io,
    connection,
    control,
    lines,
    pages,
    repeated_headers,
    running,
    stream_rows,
    turns,
    upstreams,
    waiting,
)
from mockserver.server.handlers import report_handlers, stream_handlers
from mockserver.sessions import claims, feed, match_problems, matcher, session_name, tombstones
from mockserver.sessions.stores import memory
from mockserver.settings import LONGEST_TOKEN, Settings
from tests.docs.markdown import ROOT, blocks, row_cells
from tests.processes import served

PAGE = ROOT / "docs" / "explanation" / "security.md"
FLAGS = Settings()
HEAD = repeated_headers.LIMITS
BODIES = {name: protocol.contract().max_body for name, protocol in library().protocols.items()}


def size(number: int) -> str:
    """Return a number of bytes as the page writes it."""
    return re.sub(r"(?<=\d)(?=[KMG]iB)", " ", ByteSize.text(number))


def of_api(*place: str) -> Any:
    """Return a member of the schemas of control.yaml."""
    found: Any = control.document()["components"]["schemas"]
    for name in place:
        found = control.resolve(found)[name]
    return found


def ms(*place: str) -> str:
    return f"{of_api(*place) / 1000:g} s"


CHANGE, WAIT = ("SessionChange", "properties"), ("Wait", "properties")
LIMITS = {
    "descriptors (`ulimit -n`)": f"at least {running.FEWEST}",
    "connections at once": f"{connection.MAX_CONNECTIONS:,}",
    "time for the head of a request, first byte included": f"{FLAGS.body_timeout:g} s",
    "time for the body of a request": f"{FLAGS.body_timeout:g} s",
    "time until a client reads a reply": f"{FLAGS.body_timeout:g} s",
    "unread replies of all connections": size(connection.UNSENT_BYTES),
    "idle connection": f"{connection.IDLE_S:g} s",
    "time for requests in progress when the server stops": f"{running.STOP_GRACE:g} s",
    "request line, or one header": size(min(HEAD["line_bytes"], HEAD["field_bytes"])),
    "head of a request": size(HEAD["head_bytes"]),
    "headers of a request": f"{HEAD['headers']:,}",
    "body of an API, before and after decompression": ", ".join(
        f"{size(limit)} for {name.capitalize()}" for name, limit in sorted(BODIES.items())
    ),
    "rest of a refused body that is read": size(aiohttp_io.DRAIN_LIMIT),
    "time for the complete reply of an upstream": f"{FLAGS.upstream_timeout:g} s (`--upstream-timeout`)",
    "reply of an upstream": size(upstreams.MOST_BYTES),
    "one line of the head of a reply of an upstream": size(upstreams.HEAD_BYTES),
    "connections to all upstreams at once": f"{upstreams.CONNECTIONS:,}",
    "nesting of JSON": f"{jsontext.MAX_DEPTH:,}",
    "findings of one event": f"{findings.MOST_FINDINGS:,}",
    "name of a session": f"{session_name.MAX_NAME_BYTES:,} bytes",
    "body of a control call": size(control.MAX_BODY),
    "recording of `serve --replay`": (
        f"{size(tape.MOST_BYTES)}; a line of any recording {size(tape.LONGEST_LINE)} and {tape.MOST_VALUES:,} values"
    ),
    "values in the body of a control call": f"{control.MOST_VALUES:,}",
    "all sessions together": f"{size(FLAGS.memory_limit)} (`--memory-limit`)",
    "requests of a session": f"{FLAGS.journal_limit:,} (`--journal-limit`)",
    "sessions": f"{FLAGS.max_sessions:,} (`--max-sessions`)",
    "evicted sessions that are remembered": (
        f"{tombstones.KEPT[True]:,} that somebody set up or read, {tombstones.KEPT[False]:,} others"
    ),
    "ids for deduplication, of all sessions": (
        f"{memory.MAX_REMEMBERED:,}, and at most {'half' if memory.IDS_SHARE == 2 else memory.IDS_SHARE}"
    ),
    "rate windows, and idempotency keys, of a session": f"{claims.MAX_WINDOWS:,} each",
    "lines of the log that wait for a reader": f"{lines.MAX_LINES:,}, or {size(lines.MAX_BYTES)}",
    "text of a line of the log": f"{lines.MAX_TEXT:,} characters",
    "open waits": f"{waiting.MOST_OPEN:,}",
    "open streams": f"{stream_handlers.MOST_STREAMS:,}",
    "happenings that streams can resume behind, of all sessions": f"{feed.MOST:,}",
    "rows of events of one request in a stream": size(stream_rows.LARGEST),
    "rows that are kept for other readers of streams": size(stream_rows.KEPT_BYTES),
    "reports over HTTP that are made at once, each in a process of its own": f"{report_handlers.AT_ONCE}",
    "time to make a report over HTTP": f"{report_handlers.TIMEOUT_S:g} s",
    "time of a wait, and of silence that it waits for": ms(*WAIT, "timeout_ms", "maximum"),
    "latest events or requests that a failed wait compares": f"{waiting.MOST_CANDIDATES:,}",
    "refused events that a failed wait shows": f"{waiting.REFUSED_ROWS}, and {size(waiting.REFUSED_BYTES)}",
    "rows of a page": f"{control.document()['components']['parameters']['limit']['schema']['maximum']:,} (`limit`)",
    "rows of a wait": f"{waiting.MAX_ROWS:,}",
    "bytes of a page": size(pages.MAX_BYTES),
    "members of `where`": f"{of_api('Where', 'maxProperties'):,}",
    "values of `in`": f"{match_problems.MOST_OPTIONS:,}",
    "characters of a value in a near miss of a wait": f"{wording.LONGEST_ABRIDGED:,}",
    "values of one event that a matcher compares": f"{matcher.MOST_VALUES:,}",
    "fault steps of a session": f"{of_api('StepList', 'maxItems'):,}, and {size(control.MAX_BODY)}",
    "delay of a fault step": ms("StepBase", "properties", "delay_ms", "maximum"),
    "credentials of a session": f"{of_api(*CHANGE, 'credentials', 'maxItems'):,}",
    "keys of a session": f"{of_api(*CHANGE, 'keys', 'maxItems'):,}",
    "contract patch of a session": (
        f"{size(serving.MOST_BYTES)}, {serving.MOST_VALUES:,} values, {size(serving.MOST_IN_POINTERS)} in the pointers"
    ),
    "schemas of a patched contract": f"{schema.MOST_PARTS:,} in one, {schema.MOST_IN_CONTRACT:,} in all",
    "admin token": f"{LONGEST_TOKEN:,} bytes",
}
"""The limits of the page by name: each value begins so."""


def told() -> dict[str, str]:
    """Return the values of the tables of limits by name."""
    _, _, section = PAGE.read_text().partition("\n## Limits\n")
    rows = [row_cells(line) for line in section.splitlines() if line.startswith("| ")]
    return {name: value for name, value, _ in rows if name not in ("Limit", "---")}


def test_page_has_the_limits_of_the_code() -> None:
    values = told()
    assert list(values) == list(LIMITS)
    assert {name: value[: len(LIMITS[name])] for name, value in values.items()} == LIMITS


def test_limits_that_stand_for_two_are_equal() -> None:
    assert ms(*WAIT, "timeout_ms", "maximum") == ms(*WAIT, "quiet_ms", "maximum")
    assert ms("Milliseconds", "maximum") == ms("StepBase", "properties", "delay_ms", "maximum")
    assert HEAD["line_bytes"] == HEAD["field_bytes"]


def test_page_has_the_figures_of_its_sentences() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"yield to other requests after {turns.TURN_S * 1000:g} ms" in text
    assert f"have read nothing for {connection.UNREAD_S:g} s are aborted" in text


def test_compose_file_starts_a_server_that_asks_for_the_token(tmp_path: Path) -> None:
    (text,) = (block.text for block in blocks(PAGE) if "secrets:" in block.text)
    path, token = tmp_path / "compose.yaml", tmp_path / "mockserver_token"
    path.write_text(text)
    document = yamltext.load(path)
    token.write_text("a token\n")
    service = document["services"]["mockserver"]
    assert set(service["secrets"]) == set(document["secrets"])
    variables = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in service["environment"].items()}
    with served(variables=variables) as server:
        statuses = [status(f"{server.url}/_mock/sessions", sent) for sent in ("", "Bearer x", "Bearer a token")]
        assert statuses == [401, 401, 200]
        command = Path(f"/proc/{server.process.pid}/cmdline")
        assert not command.exists() or b"a token" not in command.read_bytes()


def status(url: str, authorization: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": authorization})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            assert isinstance(json.load(reply), dict)
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
