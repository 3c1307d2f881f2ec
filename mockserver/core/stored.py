"""What a vendor does to an event it accepts: members filled, times normalised, sensitive fields removed."""

from __future__ import annotations

import copy

from mockserver.contract.sections import Fill, StoredRules, Strip
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.jsonkit.pointer import Tokens


def stored(event: Json, schema_name: str, rules: StoredRules, now_ms: int) -> Json:
    """Return the event as the vendor keeps it; `now_ms` is the session time of its arrival."""
    kept = copy.deepcopy(event)
    for fill in rules.fill.values():
        if fill.schemas is None or schema_name in fill.schemas:
            _fill(kept, fill, now_ms)
    for rule in rules.normalise.values():
        _normalise(kept, rule.tokens)
    for strip in rules.strip.values():
        _strip(kept, strip)
    return kept


def _fill(event: Json, fill: Fill, now_ms: int) -> None:
    *above, name = fill.tokens
    holder = pointer.get(event, above)
    if isinstance(holder, dict) and holder.get(name) is None:
        values: dict[str, Json] = {"epoch_ms": now_ms, "rfc3339_ms": rfc3339_ms(now_ms), "object": {}}
        holder[name] = values[fill.value]


def _normalise(event: Json, tokens: Tokens) -> None:
    holder = pointer.get(event, tokens[:-1])
    text = pointer.get(event, tokens)
    ms = epoch_ms(text) if isinstance(text, str) else None
    if ms is not None and isinstance(holder, dict):
        holder[tokens[-1]] = rfc3339_ms(ms)


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
