"""Checks of a contract as it is written: templates ask only for names that something fills, patterns can be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import Extension
from mockserver.contract.schema import every_schema, written_schemas
from mockserver.contract.sections import RefusalTemplate, ReplyTemplate
from mockserver.errors import LONGEST_VALUE
from mockserver.jsonkit import Json, pointer, template
from mockserver.jsonkit.patterns import matcher
from mockserver.jsonkit.template import Template

FRAMING: Final = frozenset({"content-length", "transfer-encoding", "trailer", "upgrade"})
"""Headers that the server sets or leaves out, because a client would misread a reply under other ones."""
CONNECTION: Final = ("close", "keep-alive")
"""Values that a reply's `Connection` may have. The first one closes the connection after the reply."""

MOST_PLACES: Final = 10_000
"""Places that all patterns of a contract may have: an engine compiles so many in less than 50 ms."""
OF_A_PATTERN: Final = 20
"""Places that a pattern counts for beside its own: it takes so much time however short it is."""

Problem = tuple[str, str]
"""A pointer into the merged documents, and the problem there."""

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
        yield from unavailable(shape.body, REFUSAL, f"{shape.pointer}/body")
    for limit in contract.rate_limits.values():
        yield from _headers(limit.headers, RATE, f"{limit.pointer}/headers")
    for window in contract.windows:
        yield from unavailable(window.message, MESSAGE, f"{window.pointer}/message")
    for keyword, text in contract.messages.items():
        yield from unavailable(text, MESSAGE, f"/protocol/messages/{pointer.escape(keyword)}/value")
    for refusal in refusals(contract):
        yield from unavailable(refusal.message, TEXT, f"{refusal.pointer}/message")
        yield from unavailable(refusal.code, TEXT | {"message"}, f"{refusal.pointer}/code")
        yield from _headers(refusal.headers, REFUSAL | RATE, f"{refusal.pointer}/headers")


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
    yield from unavailable(reply.body, known, f"{reply.pointer}/body")
    yield from unavailable(reply.item, ITEM, f"{reply.pointer}/item")
    yield from _headers(reply.headers, known | RATE, f"{reply.pointer}/headers")


def framing_problem(name: str, value: str) -> str | None:
    """Return why a reply cannot have a header, or None: it would tell the client where the reply ends."""
    if name.lower() in FRAMING:
        return "the server sets this header, because it says where a reply ends"
    if name.lower() == "connection" and value.strip().lower() not in CONNECTION:
        return f"must be {' or '.join(CONNECTION)}, got {value[:LONGEST_VALUE]!r}"
    return None


def _headers(headers: Mapping[str, str], known: Iterable[str], place: str) -> Iterator[Problem]:
    yield from unavailable(headers, known, place)
    for name, value in headers.items():
        problem = framing_problem(name, value)
        if problem is not None:
            yield place + pointer.build([name]), problem


def unavailable(value: Template | Mapping[str, str], known: Iterable[str], place: str) -> Iterator[Problem]:
    """Yield each name that a template asks for and that is not known."""
    for name in sorted(template.names(value) - set(known)):
        written = name if name.startswith("${") else f"${{{name}}}"
        yield place, f"{written} is not available here; available: {', '.join(sorted(known))}"


def schema_problems(documents: Mapping[str, Json]) -> Iterator[Problem]:
    """Yield what is wrong with patterns and messages in merged documents that fit the contract language."""
    checked = _Patterns()
    for name, credential in documents["protocol"].get("credentials", {}).items():
        yield from checked.problems(credential, f"/protocol/credentials/{name}")
    for tokens, schema in written_schemas(documents):
        yield from _schema(schema, pointer.build(tokens), checked)
    for level in ("events", "requests"):
        for name, rule in documents.get("warnings", {}).get(level, {}).items():
            yield from _schema(rule["schema"], pointer.build(("warnings", level, name, "schema")), checked)


def _schema(schema: Mapping[str, Json], place: str, checked: _Patterns) -> Iterator[Problem]:
    for tokens, inner in every_schema(schema):
        at = place + pointer.build(tokens)
        yield from checked.problems(inner, at)
        message = inner.get("message")
        for keyword, text in message.items() if isinstance(message, dict) else [("", message)]:
            yield from unavailable(text, MESSAGE, f"{at}/message" + (keyword and f"/{keyword}"))


class _Patterns:
    """The patterns of a contract: each can be used, and together they are not too large."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._places = 0

    def problems(self, holder: Mapping[str, Json], place: str) -> Iterator[Problem]:
        """Yield what is wrong with the pattern of a schema or a credential, if it has one."""
        pattern = holder.get("pattern")
        if pattern is None or pattern in self._known:
            return
        try:
            self._places += matcher(pattern).places + OF_A_PATTERN
        except ValueError as error:
            yield f"{place}/pattern", f"invalid pattern: {error}"
        self._known.add(pattern)
        if self._places > MOST_PLACES:
            yield (
                f"{place}/pattern",
                f"the patterns of the contract up to this one have {self._places} places for characters with their "
                f"repeats written out ({OF_A_PATTERN} more for each pattern), and at most {MOST_PLACES} are allowed; "
                "repeat less often, or use fewer patterns",
            )
