"""Changes after which an operation is not served: what the contract says of it alone goes with it."""

from __future__ import annotations

from collections.abc import Iterator

from mockserver.jsonkit import Json, pointer
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.play_again import Played

Tokens = tuple[str, ...]


def is_of_an_unknown_path(played: Played) -> bool:
    """Tell whether a reply has the status of those to unknown paths."""
    operation = played.judged.operation
    return operation is not None and operation.family.template("unknown_path").status == played.answer.reply.status


def without_operation(played: Played, name: str) -> Iterator[Change]:
    """Yield the changes that take an operation out of the contract, without and with the replies of it alone."""
    contract = played.judged.contract
    edits: list[tuple[Tokens, Json]] = [(("protocol", "operations", name), None)]
    for rule in (*contract.warnings.events, *contract.warnings.requests):
        if rule.operations is not None and name in rule.operations:
            place, rest = tuple(pointer.parse(rule.pointer)), sorted(rule.operations - {name})
            edits.append(((*place, "operations"), rest) if rest else (place, None))
    counted = contract.delivery.counted
    if counted is not None and name in counted.operations:
        place, rest = ("protocol", "delivery", "counted"), sorted(counted.operations - {name})
        edits.append(((*place, "operations"), rest) if rest else (place, None))
    yield Change(edits=tuple(edits))
    others = {
        reply.name for other, one in contract.operations.items() if other != name for reply in one.replies.distinct()
    }
    alone = [reply.name for reply in contract.operations[name].replies.distinct() if reply.name not in others]
    yield Change(edits=(*edits, *((("protocol", "replies", reply), None) for reply in alone)))


def other_prefixes(played: Played) -> Iterator[Change]:
    """Yield the changes that refuse what no operation takes as another prefix or family does."""
    contract = played.judged.contract
    path = contract.prefix_of(played.judged.request.target).path
    written = pointer.get(contract.documents, ("protocol", "prefixes"))
    for name, prefix in written.items() if isinstance(written, dict) else ():
        if prefix.get("path") == path:
            yield Change.of(("protocol", "prefixes", name), None)
            for family in contract.families:
                yield Change.of(("protocol", "prefixes", name, "family"), family)
