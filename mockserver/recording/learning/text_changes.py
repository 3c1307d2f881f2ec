"""Changes of the texts, codes and reasons of refusals, from the texts that a server was recorded with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import EVENT_TYPES
from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.operation import BoundGate
from mockserver.core.adapter import adapter_of
from mockserver.core.answer import text_variables
from mockserver.core.events import broken_rules
from mockserver.core.explain import Violation, describe, dotted
from mockserver.core.refusals import broken_by
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.play_again import Played

Tokens = tuple[str, ...]
NAMED_BY_ELEMENT: Final = ("required", "enum")
SHORTEST: Final = 3
"""Characters of a value that is looked for in a text."""
PLACE_OF_ONE: Final = re.compile(r"\[[0-9]+\]")
"""The place of one event in a text, which no text for others has."""
DETAIL: Final = "${detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The rule for which a request or an event is refused; `prefix` is the place of the event in the body."""

    violation: Violation
    prefix: tuple[str | int, ...] = ()

    @property
    def rule(self) -> str:
        """The pointer of the rule."""
        return self.violation.rule

    @property
    def holder(self) -> Tokens:
        """The tokens of the schema that the rule is a keyword of."""
        tokens = pointer.parse(self.rule)
        named = len(tokens) > 2 and tokens[-2] in NAMED_BY_ELEMENT and tokens[-3] != "properties"
        return tokens[: -2 if named else -1]

    @property
    def is_of_a_schema(self) -> bool:
        """Whether the rule is a keyword of a schema."""
        return self.rule.startswith(("/requests/", "/events/"))


def broken_in_request(played: Played) -> Broken | None:
    """Return the rule of a schema or of a window for which the whole request is refused; None for any other."""
    refusal = played.judged.refusal
    if refusal is None or played.receipt.refused is not None:
        return None
    finding = refusal.finding
    same = (one for one in every_broken(played) if one.rule == finding.rule)
    return next((one for one in same if pointer.build((*one.prefix, *one.violation.tokens)) == finding.pointer), None)


def every_broken(played: Played) -> Iterator[Broken]:
    """Yield every rule of a schema or of a window that a request and its events break."""
    judged, form = played.judged, played.judged.form
    if form is None or not isinstance(judged.body, dict):
        return
    if form.request is not None:
        yield from (Broken(violation=violation) for violation in broken_by(judged, form.request, judged.body))
    for index in range(len(judged.events)):
        for violation in _broken_by(played, index):
            yield Broken(violation=violation, prefix=_prefix(played, index))


def broken_in_event(played: Played, index: int) -> Broken | None:
    """Return the rule for which an event is refused; None if it is not."""
    first = next(iter(_broken_by(played, index)), None)
    return None if first is None else Broken(violation=first, prefix=_prefix(played, index))


def _broken_by(played: Played, index: int) -> Iterator[Violation]:
    judged = played.judged
    if judged.form is not None and judged.form.events is not None and index < len(judged.events):
        event_rule = adapter_of(judged.contract.adapter).event_rules(judged.contract)
        yield from broken_rules(judged, judged.form, judged.events[index], event_rule)


def _prefix(played: Played, index: int) -> tuple[str | int, ...]:
    form = played.judged.form
    return () if form is None or form.single or form.events is None else (*form.events, index)


def templates_of(text: str, variables: Mapping[str, Json]) -> list[str]:
    """Return the templates that may have made a text, the most general one first, the text itself last."""
    templates = {text: None}
    known = [(name, value) for name, value in variables.items() if isinstance(value, str) and len(value) >= SHORTEST]
    known.sort(key=lambda pair: -len(pair[1]))
    general = text
    for name, value in known:
        general = re.sub(rf"(?<![A-Za-z0-9_$]){re.escape(value)}(?![A-Za-z0-9_])", f"${{{name}}}", general)
        templates[general] = None
    return [template for template in reversed(templates) if template and PLACE_OF_ONE.search(template) is None]


def variables_of(broken: Broken) -> dict[str, Json]:
    """Return the values that the text for a broken rule may name."""
    tokens = broken.violation.tokens
    names = {"path": dotted((*broken.prefix, *tokens)), "field": dotted(tokens)}
    if names["path"] == names["field"]:
        del names["field"]
    return {"detail": describe(broken.violation), **names}


def message_changes(played: Played, family: str, reason: str, text: str, index: int | None) -> Iterator[Change]:
    """Yield the changes that make the message of a refusal, or of the event at an index, read as recorded."""
    contract, judged = played.judged.contract, played.judged
    own = ("protocol", "refusals", family, reason, "message")
    template = contract.families[family].template(reason)
    broken = broken_in_request(played) if index is None else broken_in_event(played, index)
    refusal = judged.refusal
    if index is None and (DETAIL not in template.message or broken is None):
        finding = "" if refusal is None or played.receipt.refused else refusal.finding.message
        variables = text_variables(judged, played.receipt, played.reply.status, finding)
        yield from (Change.of(own, text) for text in templates_of(text, {"detail": variables["detail"]}))
        return
    if broken is None:
        return
    for written in templates_of(text, variables_of(broken)):
        for place in _places_of_text(played, broken):
            yield Change.of(place, written)
        if index is None:
            yield Change.of(own, written)


def _places_of_text(played: Played, broken: Broken) -> Iterator[Tokens]:
    """Yield where the text for a broken rule may be written, what it replaces first."""
    documents, keyword = played.judged.contract.documents, broken.violation.keyword
    if broken.rule.startswith("/protocol/windows/"):
        yield (*broken.holder, "message")
    if broken.is_of_a_schema:
        tokens = broken.holder
        for end in range(len(tokens), 1, -1):
            message = pointer.get(documents, (*tokens[:end], "message"))
            if isinstance(message, str):
                yield (*tokens[:end], "message")
            elif isinstance(message, dict) and keyword in message:
                yield (*tokens[:end], "message", keyword)
    yield ("protocol", "messages", keyword, "value")
    if keyword not in played.judged.contract.messages:
        yield ("protocol", "messages", "default", "value")
    if broken.is_of_a_schema and not isinstance(pointer.get(documents, (*broken.holder, "message")), str):
        yield (*broken.holder, "message", keyword)


def code_changes(played: Played, family: str, reason: str, code: str) -> Iterator[Change]:
    """Yield the changes of the code of a refusal."""
    yield Change.of(("protocol", "refusals", family, reason, "code"), code)


def reason_changes(played: Played, family: str, status: int, index: int | None = None) -> Iterator[Change]:
    """Yield the changes that give a refusal another reason of its family, one with the recorded status."""
    contract, reason = played.judged.contract, played.reason
    if index is not None:
        error = next((error for error in played.judged.event_errors if error.index == index), None)
        reason = None if error is None else error.reason
    others = [other for other, template in contract.families[family].reasons.items() if template.status == status]
    places = list(_places_of_reason(played, index, reason))
    for other in others:
        if other != reason:
            yield from (Change.of(place, other) for place in places)


def new_reason_changes(played: Played, family: str, code: Json, text: Json) -> Iterator[Change]:
    """Yield the changes that give a refusal a reason of its own, with the recorded status, code and message."""
    if not isinstance(text, str):
        return
    for place in _places_of_reason(played, None, played.reason):
        name = re.sub("[^a-z0-9_]+", "_", "_".join(place[-2:]).lower()).strip("_")
        own = ("protocol", "refusals", family, name)
        base = played.judged.contract.families[family].default
        edits: list[tuple[Tokens, Json]] = [(place, name), ((*own, "message"), text)]
        if played.answer.reply.status != base.status:
            edits.append(((*own, "status"), played.answer.reply.status))
        if isinstance(code, str):
            edits.append(((*own, "code"), code))
        yield Change(edits=tuple(edits), is_whole=True)


def _places_of_reason(played: Played, index: int | None, reason: str | None) -> Iterator[Tokens]:
    """Yield where it may be written for which reason a request or an event is refused."""
    judged = played.judged
    broken = broken_in_request(played) if index is None else broken_in_event(played, index)
    if broken is not None and broken.rule.startswith("/protocol/windows/"):
        yield (*broken.holder, "refusal")
    elif broken is not None and broken.is_of_a_schema and broken.rule != EVENT_TYPES:
        holder = broken.holder
        written = pointer.get(judged.contract.documents, (*holder, "refusal"))
        if isinstance(written, dict):
            yield (*holder, "refusal", broken.violation.keyword)
        else:
            yield (*holder, "refusal")
        if written is MISSING:
            yield (*holder, "refusal", broken.violation.keyword)
    gate = _gate_of(played)
    if gate is not None and reason is not None:
        kinds = {**BUILT_IN, **extension_of(judged.contract.adapter).checks}
        for outcome in kinds[gate.check].outcomes:
            if gate.reason(outcome) == reason:
                yield ("protocol", "gates", gate.name, "refusals", outcome)


def _gate_of(played: Played) -> BoundGate | None:
    """Return the gate that refused a request, or events of it."""
    judged, operation = played.judged, played.judged.operation
    if operation is None:
        return None
    if played.receipt.refused is not None:
        return operation.gate("rate")
    if judged.refusal is None:
        return operation.gate("events")
    return next((gate for gate in operation.gates if gate.order == judged.refusal.order), None)
