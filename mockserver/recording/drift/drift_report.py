"""The differences between two recordings as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.core.wording import counted, value
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable
from mockserver.recording.drift.differences import Difference
from mockserver.recording.drift.drift import Drift

SHOWN_NAMES: Final = 4
"""Types of events, and sizes of batches, that a line shows."""


def lines(drift: Drift) -> Iterator[str]:
    """Yield a line for each difference, the notes, and how much was compared."""
    for difference in drift.differences:
        yield printable(line(difference))
    for note in drift.notes:
        yield printable(f"note: {note}")
    compared = f"{counted(drift.requests, 'request')} and {counted(drift.events, 'event')} compared"
    yield f"{counted(len(drift.differences), 'difference')}; {compared}"


def as_json(drift: Drift) -> dict[str, Json]:
    """Return the differences as the command prints them."""
    return {
        "differences": [difference.as_json() for difference in drift.differences],
        "notes": list(drift.notes),
        "compared": {"requests": drift.requests, "events": drift.events},
    }


def line(difference: Difference) -> str:
    """Return a difference in one line: kind, where it is, what it is, and in which exchanges it is seen first."""
    places = f"{difference.protocol}/{_listed(difference.operations)}"
    if difference.events:
        places += f" {_listed(difference.events)}"
    seen = " / ".join(one or "-" for one in difference.where)
    return f"{difference.kind}: {places}: {_what(difference)}{_rules(difference)}{_share(difference)} [{seen}]"


def _what(difference: Difference) -> str:
    old, new = difference.old, difference.new
    place = ", ".join(difference.places)
    match difference.kind:
        case "requests-gone" | "events-gone":
            return f"{difference.count} of {difference.total} missing"
        case "requests-new" | "events-new":
            return f"{difference.count} new" + (
                f", {difference.total} in all" if difference.count < difference.total else ""
            )
        case "rule":
            return f"{place}: {f'broken now ({new})' if old is None else f'no longer broken ({old})'}"
        case "order":
            return f"{value(new)} comes where {value(old)} was"
        case "batches":
            return f"batches of {_sizes(old)} became {_sizes(new)}"
        case "attempts":
            return f"{_changes(old, new)} per request"
    if difference.kind.endswith("-gone"):
        return f"{place} is missing, was {_shown(old)}"
    if difference.kind.endswith("-new"):
        return f"{place} is new, {_shown(new)}"
    changes = _changes(old, new)
    return f"{place}: {changes}" if place else changes


def _changes(old: Json, new: Json) -> str:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return ", ".join(f"{_shown(before)} → {_shown(after)}" for before, after in zip(old, new, strict=True))
    return f"{_shown(old)} → {_shown(new)}"


def _shown(shown: Json) -> str:
    if isinstance(shown, list):
        return ", ".join(map(_shown, shown))
    return shown if isinstance(shown, str) and len(shown) < 80 and "\n" not in shown and shown else value(shown)


def _sizes(sizes: Json) -> str:
    more = ", …" if len(sizes) > SHOWN_NAMES else ""
    return ", ".join(map(str, sizes[:SHOWN_NAMES])) + more


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _rules(difference: Difference) -> str:
    return f" (by {', '.join(difference.rules)})" if difference.rules else ""


def _share(difference: Difference) -> str:
    is_whole = difference.count >= difference.total or difference.kind.startswith(("requests-", "events-"))
    return "" if is_whole else f" ({difference.count} of {difference.total})"
