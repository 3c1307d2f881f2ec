"""What a vendor does to an event it accepts: members filled, times normalised, sensitive fields removed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.jsonkit.pointer import MISSING

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract


def stored(event: Json, schema_name: str, contract: Contract, now_ms: int) -> Json:
    """Return the event as the vendor keeps it; `now_ms` is the session time of its arrival."""
    rules = contract.protocol.get("stored", {})
    made = copy.deepcopy(event)
    for rule in rules.get("fill", {}).values():
        if schema_name in rule.get("schemas", (schema_name,)):
            _fill(made, pointer.parse(rule["pointer"]), rule["value"], now_ms)
    for rule in rules.get("normalise", {}).values():
        _normalise(made, pointer.parse(rule["pointer"]))
    for rule in rules.get("strip", {}).values():
        _strip(pointer.get(made, pointer.parse(rule["pointer"])), rule)
    return made


def _fill(event: Json, tokens: tuple[str, ...], kind: str, now_ms: int) -> None:
    holder = pointer.get(event, tokens[:-1])
    if not isinstance(holder, dict) or holder.get(tokens[-1]) is not None:
        return
    value: dict[str, Json] = {"epoch_ms": now_ms, "rfc3339_ms": rfc3339_ms(now_ms), "object": {}}
    holder[tokens[-1]] = value[kind]


def _normalise(event: Json, tokens: tuple[str, ...]) -> None:
    holder = pointer.get(event, tokens[:-1])
    text = pointer.get(event, tokens)
    if isinstance(holder, dict) and isinstance(text, str):
        ms = epoch_ms(text)
        if ms is not None:
            holder[tokens[-1]] = rfc3339_ms(ms)


def _strip(holder: Json, rule: Json) -> None:
    if holder is MISSING or not isinstance(holder, dict):
        return
    ignored = str.maketrans("", "", rule["ignore"])
    denied = [entry.lower().translate(ignored) for entry in rule["contains"]]
    for name in list(holder):
        bare = name.lower().translate(ignored)
        if any(entry in bare for entry in denied):
            del holder[name]
