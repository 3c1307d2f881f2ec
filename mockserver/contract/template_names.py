"""The names that templates may use, and the check that each template asks for nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import Extension
from mockserver.contract.sections import RefusalTemplate, ReplyTemplate
from mockserver.jsonkit import pointer, template
from mockserver.jsonkit.template import Template

Problem = tuple[str, str]
"""A pointer into the merged documents, and what is wrong there."""

RATE: Final = frozenset({"rate_limit", "rate_remaining", "rate_reset_s", "retry_after_s"})
"""Names that header templates may use beside those of their reply or refusal."""
REPLY: Final = frozenset(
    {"processed", "accepted", "duplicates", "rejected", "batch_size", "created", "nothing", "idempotency_key", "errors"}
)
ITEM: Final = frozenset({"index", "message", "code"})
TEXT: Final = frozenset(
    {"phrase", "phrase_upper", "phrase_lower", "detail", "status", "allow", "request_id", "nothing"}
)
"""Names that the message and the code of a refusal may use."""
REFUSAL: Final = TEXT | {"message", "code"}
MESSAGE: Final = frozenset({"field", "path", "detail"})
"""Names that the text about one broken keyword may use."""


def unknown_names(contract: Contract, extension: Extension) -> Iterator[Problem]:
    """Yield each name in a template that nothing can fill."""
    for reply in contract.replies.values():
        yield from _reply(contract, extension, reply)
    for shape in contract.shapes.values():
        yield from unknown(shape.body, REFUSAL, f"/protocol/shapes/{shape.name}/body")
    for limit in contract.rate_limits.values():
        yield from unknown(limit.headers, RATE, f"/protocol/limits/{limit.name}/headers")
    for window in contract.windows:
        yield from unknown(window.message, MESSAGE, f"/protocol/windows/{window.name}/message")
    for keyword, text in contract.messages.items():
        yield from unknown(text, MESSAGE, f"/protocol/messages/{pointer.escape(keyword)}/value")
    for refusal in refusals(contract):
        yield from unknown(refusal.message, TEXT, f"{refusal.pointer}/message")
        yield from unknown(refusal.code, TEXT | {"message"}, f"{refusal.pointer}/code")
        yield from unknown(refusal.headers, REFUSAL | RATE, f"{refusal.pointer}/headers")


def refusals(contract: Contract) -> Iterator[RefusalTemplate]:
    """Yield every refusal of every family, the defaults included."""
    for family in contract.families.values():
        yield family.default
        yield from family.reasons.values()


def _reply(contract: Contract, extension: Extension, reply: ReplyTemplate) -> Iterator[Problem]:
    users = [operation for operation in contract.operations.values() if reply in operation.replies.distinct()]
    added = [
        set(extension.reply_names(operation, contract.projects)) for operation in users or contract.operations.values()
    ]
    known = REPLY | (set.intersection(*added) if users else set().union(*added))
    yield from unknown(reply.body, known, f"{reply.pointer}/body")
    yield from unknown(reply.item, ITEM, f"{reply.pointer}/item")
    yield from unknown(reply.headers, known | RATE, f"{reply.pointer}/headers")


def unknown(value: Template | Mapping[str, str], known: Iterable[str], place: str) -> Iterator[Problem]:
    """Yield each name that a template asks for and that is not known."""
    for name in sorted(template.names(value) - set(known)):
        yield place, f"${{{name}}} cannot be filled here; available: {', '.join(sorted(known))}"
