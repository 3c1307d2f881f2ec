"""The examples of the published OpenAPI documents, from the golden cases: `contracts/<protocol>/examples.json`.

An example is one exchange of a case, with the reply that the contract gives under each revision.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from mockserver.contract.contract import split_target
from mockserver.contract.library import Protocol, library
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import read_case
from mockserver.lint.golden_cases import Case, CaseSettings
from mockserver.lint.playback import PlayedExchange, play

LONGEST: Final = 2_500
"""Characters of a body, as JSON, that is short enough to be shown."""
BEST: Final = ("golden-", "page-", "partial-success")
"""What the names of the cases that show a protocol best begin with."""


async def examples(protocol: Protocol, fixtures: Path) -> str:
    """Return the text of a protocol's `examples.json`: for each operation and revision, one example of each outcome."""
    paths = sorted((fixtures / protocol.name / "cases").glob("*.yaml"))
    cases = [case for case in map(read_case, paths) if _can_be_shown(case)]
    cases.sort(key=_rank)
    chosen: dict[str, dict[str, Any]] = {}
    for revision in protocol.revision_names():
        seen: set[tuple[str, ...]] = set()
        for case in cases:
            if case.revision in (None, revision):
                for outcome, row in await _exchanges(case, protocol, revision):
                    if outcome not in seen:
                        seen.add(outcome)
                        known = chosen.setdefault(
                            json.dumps([outcome[0], row], sort_keys=True), {**row, "revisions": []}
                        )
                        known["revisions"].append(revision)
    listed: dict[str, list[Any]] = {name: [] for name in protocol.contract().operations}
    for key, row in chosen.items():
        listed.setdefault(json.loads(key)[0], []).append(row)
    return json.dumps(listed, indent=1, ensure_ascii=False) + "\n"


def _rank(case: Case) -> tuple[bool, bool, int, str]:
    """Return what puts the best case first, and one with odd characters in its paths last."""
    best = case.name.startswith(BEST)
    odd = any("%" in step.request.target for step in case.exchanges)
    return odd, not best, 0 if best else len(case.steps), case.name


def _can_be_shown(case: Case) -> bool:
    short = all(len(step.request.body) <= LONGEST for step in case.exchanges)
    return short and case.patch is None and case.settings == CaseSettings()


async def _exchanges(case: Case, protocol: Protocol, revision: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return the outcome of each exchange of a case that can be shown, and the row that shows it."""
    found = []
    for exchange in (await play(case, protocol.contract(revision))).exchanges:
        operation = exchange.judged.operation
        if operation is None or exchange.judged.preflight or (exchange.differences and case.revision is not None):
            continue
        if exchange.reply.status < 300 and _ages(exchange):
            continue
        row = _row(case, exchange)
        shown = json.dumps(row.get("body")) + json.dumps(row.get("reply"))
        if len(shown) <= LONGEST:
            form = "" if exchange.judged.form is None else exchange.judged.form.name
            found.append(((operation.name, str(exchange.reply.status), form), row))
    return found


def _ages(exchange: PlayedExchange) -> bool:
    """Tell whether a server will refuse the request some day, because a time in it must be near the present."""
    judged = exchange.judged
    windows = judged.contract.windows
    return any(pointer.get(event, window.tokens) is not MISSING for event in judged.events for window in windows)


def _row(case: Case, exchange: PlayedExchange) -> dict[str, Any]:
    body = {} if exchange.step.json is MISSING else {"body": exchange.step.json}
    query = dict(parse_qsl(split_target(exchange.step.request.target)[1]))
    try:
        reply = {"reply": json.loads(exchange.reply.body)}
    except ValueError:
        reply = {}
    params = exchange.judged.place.params
    parameters = {name: values for name, values in (("path", dict(params)), ("query", query)) if values}
    return {"name": case.name, "status": exchange.reply.status, **parameters, **body, **reply}


def files(fixtures: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each protocol, and the text of its file."""
    for protocol in library().protocols.values():
        yield protocol.name, asyncio.run(examples(protocol, fixtures))
