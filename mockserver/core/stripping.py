"""Which members of an event the vendor removes before it stores the event."""

from __future__ import annotations

from mockserver.contract.sections import Strip
from mockserver.jsonkit import Json, pointer


def removed_names(event: Json, strip: Strip) -> list[str]:
    """Return the names of the members that a rule removes from an event."""
    holder = pointer.get(event, strip.tokens)
    if not isinstance(holder, dict):
        return []
    ignored = str.maketrans("", "", strip.ignore)
    denied = [entry.lower().translate(ignored) for entry in strip.contains]

    def is_denied(name: str) -> bool:
        bare = name.lower().translate(ignored)
        return any(entry in bare for entry in denied)

    return [name for name in holder if is_denied(name)]
