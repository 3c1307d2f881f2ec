"""What a vendor does to an event it accepts: members filled, times normalised, sensitive fields removed."""

from __future__ import annotations

import copy

from mockserver.contract.sections import StoredRules, Strip
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms


def stored(event: Json, schema_name: str, rules: StoredRules, now_ms: int) -> Json:
    """Return the event as the vendor keeps it; `now_ms` is the session time of its arrival."""
    kept = copy.deepcopy(event)
    for fill in rules.fill.values():
        holder, name = pointer.get(kept, fill.tokens[:-1]), fill.tokens[-1]
        applies = fill.schemas is None or schema_name in fill.schemas
        if applies and isinstance(holder, dict) and holder.get(name) is None:
            values: dict[str, Json] = {"epoch_ms": now_ms, "rfc3339_ms": rfc3339_ms(now_ms), "object": {}}
            holder[name] = values[fill.value]
    for rule in rules.normalise.values():
        holder, text = pointer.get(kept, rule.tokens[:-1]), pointer.get(kept, rule.tokens)
        ms = epoch_ms(text) if isinstance(text, str) else None
        if ms is not None and isinstance(holder, dict):
            holder[rule.tokens[-1]] = rfc3339_ms(ms)
    for strip in rules.strip.values():
        _strip(kept, strip)
    return kept


def _strip(event: Json, strip: Strip) -> None:
    holder = pointer.get(event, strip.tokens)
    if not isinstance(holder, dict):
        return
    ignored = str.maketrans("", "", strip.ignore)
    denied = [entry.lower().translate(ignored) for entry in strip.contains]
    for name in list(holder):
        bare = name.lower().translate(ignored)
        if any(entry in bare for entry in denied):
            del holder[name]
