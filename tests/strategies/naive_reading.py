"""A second, naive reading of what a contract says a reply looks like: the witness that `prediction` is held to.

It reads the YAML documents and shares no code with the core. What no contract states (a sentence of the server, an id
it makes up) is an `Unknown`, which only its shape is known of.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

from mockserver.contract.contract import Contract
from mockserver.jsonkit import Json
from mockserver.strategies import Breach, Expected, Request, Sample

MISSING: Final = object()
Tokens = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A text of which only a pattern is known."""

    regex: str


SENTENCE: Final = Unknown(r"[\s\S]+")
MOMENT: Final = Unknown(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
Text = str | Unknown
_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")
_SPECIAL: Final = re.compile(r"[.*+?^${}()|\[\]\\/]")
CHECK_OF: Final = {
    "missing": "key",
    "malformed": "key",
    "body_too_large": "size",
    "broken_encoding": "encoding",
    "unsupported_encoding": "encoding",
    "content_type_invalid": "content_type",
    "invalid_json": "json",
    "not_an_object": "object",
    "origin_not_allowed": "origin",
    "invalid_request": "query",
    "unknown_project": "project",
    "project_required": "project",
    "missing_identity": "identity",
}
"""The check that has each outcome; an outcome that is not here is a reason of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What of a request its reply repeats."""

    body: Json = MISSING
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedEvent:
    """One event that is refused."""

    index: int
    reason: str
    message: Text


class NaiveReading:
    """What one contract says about replies."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.protocol: Json = contract.documents["protocol"]
        self.operations: Mapping[str, Json] = self.protocol["operations"]

    def expected(self, sample: Sample) -> Expected:
        """Return the reply to a sample."""
        if sample.operation is None:
            return self.refusal(self._family_at(sample.request.path), "unknown_path")
        spec = self.operations[sample.operation]
        repeated = repeated_by(spec, sample.request)
        if sample.valid:
            return self.reply(spec, repeated, sample.events, ())
        form = form_of(spec, repeated.body)
        events = [self._refused_event(spec, form, sample, breach) for breach in sample.bad]
        first = events[0]
        if sample.breach.index is not None and form["policy"] == "partial" and form["events"] != "":
            return self.reply(spec, repeated, sample.events, events)
        return self.refusal(spec["family"], first.reason, first.message, spec["path"])

    def _family_at(self, path: str) -> str:
        prefixes = [prefix for prefix in self.protocol["prefixes"].values() if path.startswith(prefix["path"])]
        longest: Mapping[str, Json] = max(prefixes, key=lambda prefix: len(prefix["path"]))
        return str(longest.get("family") or next(iter(self.protocol["refusals"])))

    def _refused_event(
        self, spec: Mapping[str, Json], form: Mapping[str, Json], sample: Sample, breach: Breach
    ) -> RefusedEvent:
        """Return the reason and the text for one breach; without an event it is number 0."""
        index, tokens = breach.index or 0, parse(breach.pointer)
        single = form.get("events") == ""
        prefix = () if breach.index is None or single else (*parse(form["events"]), index)
        kind, *rest = parse(breach.rule)
        reason, template = None, None
        if kind == "requests":
            reason, template = self._said(self.contract.request_schemas[form["request"]].body, breach, tokens)
            reason = reason or self.reason(spec, "envelope", "invalid_request")
        elif kind == "events":
            if rest:
                event = sample.events[index]
                name = form["schema"] if "schema" in form else look(event, parse(form["discriminator"]))
                reason, template = self._said(self.contract.event_schemas[name].body, breach, tokens)
            reason = reason or self.reason(spec, "events", "invalid_event")
        elif rest[0] == "windows":
            window = self.protocol["windows"][rest[1]]
            reason, template = window["refusal"], window.get("message")
        elif rest[0] == "identity" and breach.index is not None:
            reason = self.reason(spec, "events", "invalid_event")
            template = self.protocol["messages"]["required"]["value"]
        elif rest[0] == "reserved":
            reason, template = (
                self.reason(spec, "events", "invalid_event"),
                self.protocol["messages"]["default"]["value"],
            )
        elif rest[0] == "limits" and breach.pointer:
            reason, template = self.reason(spec, "measures", "invalid_request"), "${detail}"
        else:
            check = CHECK_OF.get(breach.keyword)
            reason = breach.keyword if check is None else self.reason(spec, check, breach.keyword)
            return RefusedEvent(index=index, reason=reason, message=SENTENCE)
        return RefusedEvent(index=index, reason=reason, message=self.message(breach.keyword, template, tokens, prefix))

    def _said(self, schema: Json, breach: Breach, tokens: Tokens) -> tuple[str | None, str | None]:
        """Return the reason and the text that the schema has for a broken keyword, if it has them."""
        levels = [schema]
        for token in tokens:
            others = schema.get("additionalProperties")
            schema = schema.get("items") if isinstance(token, int) else schema.get("properties", {}).get(token, others)
            if not isinstance(schema, dict):
                break
            levels.append(schema)
        holders = [number for number, level in enumerate(levels) if _is_rule_of(level, breach)]
        holder = holders[-1]
        asked = levels[holder].get("properties", {}).get(tokens[-1]) if breach.keyword == "required" else None
        chain = [*levels[: holder + 1], *([] if asked is None else [asked])]
        return nearest(chain, "refusal", breach.keyword), nearest(chain, "message", breach.keyword)

    def gates(self, spec: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the checks of an operation in their order, each with its reasons by outcome."""
        gates = self.protocol["gates"]
        for name in sorted(spec.get("gates", gates), key=lambda name: gates[name]["order"]):
            yield gates[name].get("check", name), gates[name].get("refusals", {})

    def reason(self, spec: Mapping[str, Json], check: str, outcome: str) -> str:
        """Return what an operation calls one outcome of a check."""
        return next(reasons.get(outcome, outcome) for name, reasons in self.gates(spec) if name == check)

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
        here = [spec for spec in self.operations.values() if spec["path"] == path]
        return ", ".join(
            sorted(spec["method"] for spec in here) + (["OPTIONS"] if any("cors" in s for s in here) else [])
        )

    def reply(
        self, spec: Mapping[str, Json], repeated: Repeated, events: Sequence[Json], bad: Sequence[RefusedEvent]
    ) -> Expected:
        """Return the reply to a request that is taken, in whole or in part."""
        names = spec["replies"]
        name = names["success"]
        if bad:
            name = names.get("partial", name)
        if bad and len(bad) == len(events):
            name = names.get("failed", name)
        template = self.protocol["replies"][name]
        if "text" in template:
            return Expected(status=template["status"], text=template["text"])
        known = {**self._counts(events, bad), **self.facts(spec, repeated)}
        known["errors"] = self.errors(spec, template.get("item", {}), bad)
        body = fill(template["body"], known)
        history = tuple(_places_of(("${created}", "${duplicate}"), template["body"]))
        return Expected(status=template["status"], body=body, history=history)

    def _counts(self, events: Sequence[Json], bad: Sequence[RefusedEvent]) -> dict[str, Json]:
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
            "duplicate": repeats > 0,
            "nothing": None,
        }

    def _ids(self, section: str, events: Sequence[Json]) -> list[str]:
        if section not in self.protocol:
            return []
        tokens, unless = parse(self.protocol[section]["pointer"]), self.protocol[section].get("unless")
        if unless is not None:
            marks = [look(event, parse(unless["pointer"])) for event in events]
            events = [event for event, mark in zip(events, marks, strict=True) if mark not in unless["values"]]
        values = (look(event, tokens) for event in events)
        return [value for value in values if isinstance(value, str) and value]

    def errors(self, spec: Mapping[str, Json], item: Json, bad: Sequence[RefusedEvent]) -> list[Json]:
        """Return what a reply lists of broken events."""
        answers = self.protocol["refusals"][spec["family"]]
        codes = [answers.get(event.reason, answers["default"]).get("code") for event in bad]
        return [
            fill(item, {"index": event.index, "message": event.message, "code": code})
            for event, code in zip(bad, codes, strict=True)
        ]

    def facts(self, spec: Mapping[str, Json], repeated: Repeated) -> dict[str, Json]:
        """Return what replies name beside counts: ids, projects, what the request asked for."""
        known: dict[str, Json] = {"now": MOMENT, "idempotency_key": None}
        known.update({f"query_{name.lower()}": value for name, value in repeated.query.items()})
        known.update(repeated.params)
        for kind, rule in self.protocol.get("ids", {}).items():
            known[f"{kind}_id"] = Unknown(_escaped(rule["prefix"]) + SENTENCE.regex)
        if "projects" in self.protocol:
            rule = self.protocol["projects"]
            default = rule["default"] if rule["default"] in rule["known"] else [*rule["known"], rule["default"]][0]
            known["project"] = repeated.headers.get(rule["header"].lower(), default)
        if "idempotency" in spec:
            header = self.protocol["idempotency"][spec["idempotency"]]["header"]
            known["idempotency_key"] = repeated.headers.get(header.lower())
        if "lookup" in spec:
            known["external_id"] = repeated.params[spec["lookup"]]
        else:
            known["external_id"] = self._user(repeated.body)
        return known

    def _user(self, body: Json) -> str:
        places = self.protocol.get("identity", {}).get("user", {}).get("pointers", ())
        values = (look(body, parse(place)) for place in places)
        return next((value for value in values if isinstance(value, str)), "")


def repeated_by(spec: Mapping[str, Json], request: Request) -> Repeated:
    """Return what of a request its reply may repeat."""
    path, _, query = request.path.partition("?")
    segments = zip(spec["path"].strip("/").split("/"), path.strip("/").split("/"), strict=True)
    headers = {name.lower(): value for name, value in request.headers}
    return Repeated(
        body=body_of(request.body, headers.get("content-encoding")),
        params={declared[1:-1]: unquote(segment) for declared, segment in segments if declared.startswith("{")},
        query=dict(parse_qsl(query)),
        headers=headers,
    )


@lru_cache(maxsize=1)  # the body of a sample is asked for twice, and may be a megabyte
def body_of(text: bytes, encoding: str | None) -> Json:
    """Return the JSON of a body, or MISSING."""
    try:
        return json.loads(zlib.decompress(text, 31) if encoding == "gzip" else text)
    except (ValueError, zlib.error):
        return MISSING


def form_of(spec: Mapping[str, Json], body: Json) -> Mapping[str, Json]:
    """Return the form of a body: the one whose array of events is there, else the one without an array."""
    forms = [{"policy": "atomic", **form} for form in spec.get("forms", {"none": {}}).values()]
    arrays = [form for form in forms if form.get("events") and look(body, parse(form["events"])) is not MISSING]
    others = [form for form in forms if not form.get("events")]
    return [*arrays, *others, *forms][0]


def _is_rule_of(level: Mapping[str, Json], breach: Breach) -> bool:
    """Tell whether the keyword of a breach stands in a schema object."""
    place = f"{level['x-pointer']}/{breach.keyword}"
    return place == breach.rule or (breach.keyword == "required" and breach.rule.rpartition("/")[0] == place)


def nearest(levels: Sequence[Mapping[str, Json]], member: str, keyword: str) -> str | None:
    """Return what the nearest schema around a broken keyword says of it."""
    for level in reversed(levels):
        said = level.get(member)
        said = said.get(keyword) if isinstance(said, dict) else said
        if said is not None:
            return str(said)
    return None


def fill(template: Json, known: Mapping[str, Json]) -> Json:
    """Fill a JSON template; a text with an unknown part becomes a `$match`, an unknown name any text."""
    if isinstance(template, dict):
        return {name: fill(member, known) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, known) for item in template]
    if not isinstance(template, str):
        return template
    whole = _NAME.fullmatch(template)
    value = known.get(whole[1], SENTENCE) if whole else _text(template, known)
    return {"$match": value.regex} if isinstance(value, Unknown) else value


def _text(template: str, known: Mapping[str, Json]) -> Text:
    parts = _NAME.split(template)
    values = [known.get(part, SENTENCE) if odd % 2 else part for odd, part in enumerate(parts)]
    if not any(isinstance(value, Unknown) for value in values):
        return "".join(map(str, values))
    return Unknown("".join(value.regex if isinstance(value, Unknown) else _escaped(str(value)) for value in values))


def _escaped(text: str) -> str:
    """Escape a text for a pattern that Python and ECMA read alike."""
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def _places_of(names: Collection[str], template: Json, place: str = "") -> list[str]:
    if isinstance(template, dict):
        return [inner for key, member in template.items() for inner in _places_of(names, member, f"{place}/{key}")]
    return [place] if isinstance(template, str) and template in names else []


def parse(pointer: str) -> Tokens:
    """Split a pointer into its tokens, positions in arrays as numbers."""
    tokens = pointer.split("/")[1:]
    return tuple(int(token) if token.isdigit() else token.replace("~1", "/").replace("~0", "~") for token in tokens)


def look(value: Json, tokens: Tokens) -> Json:
    """Return what stands at the tokens, or MISSING."""
    for token in tokens:
        try:
            value = value[token]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return value


def dotted(tokens: Tokens) -> str:
    """Write a place as `events[1].type`."""
    text = ""
    for token in tokens:
        text += f"[{token}]" if isinstance(token, int) else f".{token}" if text else token
    return text
