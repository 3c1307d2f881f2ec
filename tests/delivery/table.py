"""The table of delivery cases: reading ``cases/*.yaml``, and what each says of the ledger.

A case has

* ``case``: its name, unique; ``rules``: those of whisperr.md#rules-for-clients it tries; ``why``, where the name
  does not say it
* ``sdks``: which SDKs it runs with, both if absent; ``client``: options of the client that differ from ``CLIENT``
* ``session``, ``clock``, ``faults``: what the session begins with, as the control surface takes them
* ``steps``: ``flush``, ``shutdown``, ``join`` or one of
  ``{track: TYPE, times: 1}`` · ``{identify: USER}`` · ``{start: flush}`` (not waited for until ``join``) ·
  ``{wait: N}`` (until the server has seen N events in all, whatever became of them) · ``{quiet: N}`` (it has seen N,
  and sees no more) ·
  ``{faults: [...]}`` ``{session: {...}}`` ``{clock: {...}}`` (from now on) · ``{ledger: [...]}`` (what it says here)
* ``ledger``: what it says in the end, row by row, ``times`` equal ones in one; ``gaps``: in which bounds (ms) the
  attempts of the first row lie apart; ``errors``: what the SDK told its application
* ``each``: the case stands once for every one of these values, which replaces ``$each``; they may have a ``$name``

The client is shut down at the end of every case, which makes it send whatever it still holds: what is not in the ledger
then will not come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mockserver.jsonkit import yamltext

CASES = Path(__file__).parent / "cases"
SDKS = ("python", "node")
CLIENT = {"retries": 0, "timeout_ms": 30_000, "batch": 500, "flush_at": 100_000, "interval_ms": 0}
LISTS = {"rules", "steps", "sdks", "errors", "gaps"}
ROW_MEMBERS = {"type", "fate", "attempts", "flags", "times"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a case says of one event; ``attempts`` are the statuses that the client was told, None for no answer."""

    type: str
    fate: str
    attempts: tuple[int | None, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of the table."""

    case: str
    rules: tuple[str, ...]
    steps: tuple[Any, ...]
    ledger: tuple[Row, ...]
    why: str = ""
    sdks: tuple[str, ...] = SDKS
    client: dict[str, int] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    clock: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    gaps: tuple[list[int], ...] = ()
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.case


def rows(written: list[dict[str, Any]]) -> tuple[Row, ...]:
    """Spell out rows as a case writes them."""
    found: list[Row] = []
    for row in written:
        assert row.keys() <= ROW_MEMBERS, f"unknown members in {row}"
        spelt = Row(
            type=row["type"],
            fate=row["fate"],
            attempts=tuple(row["attempts"]),
            flags=tuple(row.get("flags", ())),
        )
        found += [spelt] * row.get("times", 1)
    return tuple(found)


def load() -> list[Case]:
    """Return the whole table; what a case may not have is an error."""
    found = [case for path in sorted(CASES.glob("*.yaml")) for case in _cases(yamltext.load(path))]
    names = [case.case for case in found]
    assert len(names) == len(set(names)), "two cases have one name"
    return found


def _cases(document: list[dict[str, Any]]) -> Iterator[Case]:
    for written in document:
        for name, value in _each(written):
            spelt = {member: _filled(text, name, value) for member, text in written.items() if member != "each"}
            spelt |= {
                name: tuple(spelt[name]) for name in ("rules", "steps", "sdks", "errors", "gaps") if name in spelt
            }
            yield Case(**{**spelt, "ledger": rows(spelt["ledger"])})


def _each(written: dict[str, Any]) -> list[tuple[str, Any]]:
    values = written.get("each", [None])
    return list(values.items()) if isinstance(values, dict) else [(str(value), value) for value in values]


def _filled(written: Any, name: str, value: Any) -> Any:
    if written == "$each":
        return value
    if isinstance(written, str):
        return written.replace("$each", str(value)).replace("$name", name)
    if isinstance(written, list):
        return [_filled(member, name, value) for member in written]
    if isinstance(written, dict):
        return {member: _filled(inner, name, value) for member, inner in written.items()}
    return written
