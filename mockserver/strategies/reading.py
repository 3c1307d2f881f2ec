"""A second, naive reading of what a contract says a reply looks like. It shares no code with the judge or `answer`.

What no contract states (a sentence of the server, an id it makes up) is an `Unknown`, which only its shape is known of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.samples import MATCH, Expected


@dataclass(frozen=True, slots=True)
class Unknown:
    """A text of which only a pattern is known."""

    regex: str


SENTENCE: Final = Unknown(r"[\s\S]+")
MOMENT: Final = Unknown(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
Text = str | Unknown
_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")
_SPECIAL: Final = re.compile(r"[.*+?^${}()|\[\]\\/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What of a request its reply repeats."""

    body: Json = MISSING
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEvent:
    """One event that is refused."""

    index: int
    reason: str
    message: Text


class Reading:
    """What one contract says about replies."""

    def __init__(self, contract: Contract) -> None:
        self.protocol = contract.protocol
        self.methods: dict[str, list[str]] = {}
        self.open_paths = set()
        for operation in contract.operations.values():
            self.methods.setdefault(operation.path, []).append(operation.method)
            if "cors" in operation.spec:
                self.open_paths.add(operation.path)

    def message(self, keyword: str, template: str | None, tokens: Tokens, prefix: Tokens) -> Text:
        """Return the text for a broken keyword at a place of an event, or of the body where `prefix` is empty."""
        messages = self.protocol["messages"]
        template = template or messages.get(keyword, messages["default"])["value"]
        return _text(template, {"field": dotted(tokens), "path": dotted((*prefix, *tokens)), "detail": SENTENCE})

    def refusal(self, family: str, reason: str, detail: Text = SENTENCE, path: str = "") -> Expected:
        """Return the reply to a request refused as a whole."""
        answers = self.protocol["refusals"][family]
        spec = {**answers["default"], **answers.get(reason, {})}
        phrase = HTTPStatus(spec["status"]).phrase
        known: dict[str, Json] = {
            "phrase": phrase,
            "phrase_upper": re.sub("[ -]", "_", phrase.upper()),
            "phrase_lower": re.sub("[ -]", "_", phrase.lower()),
            "detail": detail,
            "status": spec["status"],
            "allow": self.allowed(path),
            "request_id": SENTENCE,
            "nothing": None,
        }
        known["message"] = _text(spec["message"], known)
        known["code"] = _text(spec["code"], known) if "code" in spec else None
        body = fill(self.protocol["shapes"][spec["shape"]]["body"], known)
        return Expected(status=spec["status"], body=body)

    def allowed(self, path: str) -> str:
        """Return what an `Allow` header lists for a path of the contract."""
        return ", ".join(sorted(self.methods.get(path, ())) + (["OPTIONS"] if path in self.open_paths else []))

    def reply(self, operation: Operation, told: Told, events: Sequence[Json], bad: Sequence[BadEvent]) -> Expected:
        """Return the reply to a request that is taken, in whole or in part."""
        names = operation.spec["replies"]
        name = names["success"]
        if bad:
            name = names.get("partial", name)
        if bad and len(bad) == len(events):
            name = names.get("failed", name)
        spec = self.protocol["replies"][name]
        if "text" in spec:
            return Expected(status=spec["status"], text=spec["text"])
        known = {**self._counts(events, bad), **self.facts(operation, told)}
        known["errors"] = self.errors(operation, spec.get("item", {}), bad)
        made = fill(spec["body"], known)
        return Expected(status=spec["status"], body=made, history=tuple(_places_of("${created}", spec["body"])))

    def _counts(self, events: Sequence[Json], bad: Sequence[BadEvent]) -> dict[str, Json]:
        refused = {event.index for event in bad}
        good = [event for index, event in enumerate(events) if index not in refused]
        ids = self._ids("dedup", good)
        repeats = len(ids) - len(set(ids))
        return {
            "processed": len(good),
            "accepted": len(good) - repeats,
            "duplicates": repeats,
            "rejected": len(bad),
            "batch_size": len(events),
            "created": bool(self._ids("entities", good)),
            "nothing": None,
        }

    def _ids(self, section: str, events: Sequence[Json]) -> list[str]:
        if section not in self.protocol:
            return []
        tokens = pointer.parse(self.protocol[section]["pointer"])
        found = (look(event, tokens) for event in events)
        return [value for value in found if isinstance(value, str) and value]

    def errors(self, operation: Operation, item: Json, bad: Sequence[BadEvent]) -> list[Json]:
        """Return what a reply lists of broken events."""
        answers = self.protocol["refusals"][operation.family]
        codes = [answers.get(event.reason, answers["default"]).get("code") for event in bad]
        return [
            fill(item, {"index": event.index, "message": event.message, "code": code})
            for event, code in zip(bad, codes, strict=True)
        ]

    def facts(self, operation: Operation, told: Told) -> dict[str, Json]:
        """Return what replies name beside counts: ids, projects, what the request asked for."""
        made: dict[str, Json] = {"now": MOMENT, "idempotency_key": None}
        made.update({f"query_{name.lower()}": value for name, value in told.query.items()})
        for kind, rule in self.protocol.get("ids", {}).items():
            made[f"{kind}_id"] = Unknown(_escaped(rule["prefix"]) + SENTENCE.regex)
        if "projects" in self.protocol:
            rule = self.protocol["projects"]
            default = rule["default"] if rule["default"] in rule["known"] else [*rule["known"], rule["default"]][0]
            made["project"] = told.headers.get(rule["header"].lower(), default)
        if "idempotency" in operation.spec:
            header = self.protocol["idempotency"][operation.spec["idempotency"]]["header"]
            made["idempotency_key"] = told.headers.get(header.lower())
        if "lookup" in operation.spec:
            made["external_id"] = told.params[operation.spec["lookup"]]
        else:
            made["external_id"] = self._user(told.body)
        return made

    def _user(self, body: Json) -> str:
        places = self.protocol.get("identity", {}).get("user", {}).get("pointers", ())
        found = (look(body, pointer.parse(place)) for place in places)
        return next((value for value in found if isinstance(value, str)), "")


def fill(template: Json, known: Mapping[str, Json]) -> Json:
    """Fill a JSON template; a text with an unknown part becomes a `$match`, an unknown name any text."""
    if isinstance(template, dict):
        return {name: fill(member, known) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, known) for item in template]
    if not isinstance(template, str):
        return template
    whole = _NAME.fullmatch(template)
    made = known.get(whole[1], SENTENCE) if whole else _text(template, known)
    return {MATCH: made.regex} if isinstance(made, Unknown) else made


def _text(template: str, known: Mapping[str, Json]) -> Text:
    parts = _NAME.split(template)
    values = [known.get(part, SENTENCE) if odd % 2 else part for odd, part in enumerate(parts)]
    if not any(isinstance(value, Unknown) for value in values):
        return "".join(map(str, values))
    if sum(value != "" for value in values) == 1:
        return next(value for value in values if isinstance(value, Unknown))
    return Unknown("".join(value.regex if isinstance(value, Unknown) else _escaped(str(value)) for value in values))


def _escaped(text: str) -> str:
    """Escape a text for a pattern that Python and ECMA read alike."""
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def _places_of(name: str, template: Json, place: str = "") -> list[str]:
    if isinstance(template, dict):
        return [found for key, member in template.items() for found in _places_of(name, member, f"{place}/{key}")]
    return [place] if template == name else []


def dotted(tokens: Tokens) -> str:
    """Write a place as `events[1].type`."""
    text = ""
    for token in tokens:
        text += f"[{token}]" if isinstance(token, int) else f".{token}" if text else token
    return text
