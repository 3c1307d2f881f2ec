"""Who states what of a reply: the fact behind its status, each member of its body, its texts, each of its headers.

Where an expectation rests on two facts (that a reply is given, and what is in it), the weaker one decides it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import EVENT_TYPES, Contract
from mockserver.contract.fidelity import BASES, OPERATIONS, is_stated
from mockserver.contract.operation import Operation
from mockserver.contract.schema import POINTER, every_schema
from mockserver.contract.sections import CorsRules, RefusalTemplate, ReplyTemplate
from mockserver.core.adapter import adapter_of
from mockserver.core.events import broken_rules
from mockserver.core.explain import Violation
from mockserver.core.model import Judged
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import Tokens, look
from mockserver.verify.rule import Difference, basis_of

ACCEPTED: Final = ("#accepted", "#inside", "#sizes", "#good")
"""How the ids of rules end that good requests try."""
SCHEMAS: Final = ("/requests/", "/events/")
NAMED_BY_ELEMENT: Final = ("required", "enum")
IDENTITY: Final = "/protocol/identity/"
MEDIA_TYPES: Final = "/protocol/content_types/accepted"
OTHER_MEDIA_TYPES: Final = "/protocol/content_types/anything"
"""States what becomes of other media types than the accepted ones."""
KEYWORD_OF: Final[Mapping[str, str]] = {"identity": "required", "reserved": "reserved", "windows": "window"}
"""Which text a broken rule outside the schemas is told with, by its section."""
MANNERS: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "query": ((), "inferred: a query that no source names changes nothing"),
    "from-browsers": ((), "inferred: browsers send these headers with every request"),
    "any-accept": ((), "inferred: RFC 9110 §12.5.1, a server may ignore the types that are asked for"),
    "other-keys": (("public",), "inferred: what needs no key in a header ignores one"),
    "first": (("first_credential", "first_key"), "inferred: the first of two keys counts"),
    "scheme": (("scheme_case",), "inferred: RFC 9110 §11.1, the name of a scheme is the same in either case"),
    "encoded": (("key_decoding",), "inferred: RFC 3986 §6.2.2.2, a letter may be percent-encoded"),
    "written-otherwise": ((), "inferred: RFC 8259 §2 and §4, white space and the order of members mean nothing"),
    "words": ((), "inferred: nothing says that a text may not be any"),
    "unknown-members": (("unknown_members",), "inferred: nothing says that there are no others"),
    "any-time": (("any_time",), "inferred: nothing says how old a time may be"),
    "members-of-": (("both_formats", "unknown_members"), "inferred: members of another form mean nothing"),
}
"""What is tried of a good request beside its meaning, by how the ids of rules end: who states it, if the contract has
such a behavior, else why it is so."""
CORS_MEMBERS: Final[Mapping[str, str]] = {
    "access-control-allow-methods": "methods",
    "access-control-allow-headers": "headers",
    "access-control-allow-credentials": "credentials",
    "access-control-max-age": "max_age",
    "access-control-expose-headers": "expose",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact and who states it. `name` is its contract pointer, where needed with, after `#`, what of it."""

    name: str
    source: str

    @property
    def basis(self) -> str:
        """What kind of source states it."""
        return basis_of(self.source)

    def broken(self, text: str, *, aside: bool = True) -> Difference:
        """Return the difference that breaks it."""
        return Difference(self.name, text, self.source, aside)


def weakest(*facts: Fact) -> Fact:
    """Return the fact with the least authoritative basis, of equals the last."""
    return max(reversed(facts), key=lambda fact: _weakness(fact.basis))


def _weakness(basis: str) -> int:
    """Return the place of a basis among all; a user's own patch is the most authoritative."""
    return -1 if basis == "patch" or basis not in BASES else BASES.index(basis)


def source_of_rule(contract: Contract, rule: str, operation: str | None) -> str:
    """Return who states what a rule tries.

    Code of clients shows what is sent, and not that anything else is refused; a list of what is served does not state
    how other requests are refused.
    """
    fact, _, what = rule.partition("#")
    source = contract.source_of(fact)
    names, inferred = next((MANNERS[each] for each in MANNERS if what.startswith(each)), ((), ""))
    if inferred:
        stated = next((f"/protocol/behavior/{name}" for name in names if _has_behavior(contract, name)), None)
        return inferred if stated is None else contract.source_of(stated)
    if fact == MEDIA_TYPES and what:
        return contract.source_of(OTHER_MEDIA_TYPES)
    if fact == OPERATIONS and what:
        owner = contract.operations.get(operation or "")
        family = contract.prefixes[-1].family if owner is None else owner.family
        return contract.source_of(family.template(what).pointer)
    if basis_of(source) == "sdk" and fact.startswith(SCHEMAS) and not rule.endswith(ACCEPTED):
        return f"inferred: {source} shows what clients send, and not what is refused"
    return source


def _has_behavior(contract: Contract, name: str) -> bool:
    return is_stated(contract, f"/protocol/behavior/{name}")


class ReplyFacts:
    """The facts behind the replies of one contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._known: dict[str, Fact] = {}
        self._messages: dict[str, Fact] = {}

    def fact(self, name: str) -> Fact:
        """Return the fact at a pointer."""
        fact = self._known.get(name)
        if fact is None:
            source = source_of_rule(self.contract, name, None) if "#" in name else self.contract.source_of(name)
            fact = self._known[name] = Fact(name, source)
        return fact

    def template(self, place: str) -> ReplyTemplate | RefusalTemplate:
        """Return the entry of the contract that a prediction names."""
        _, section, *names = pointer.parse(place)
        if section == "replies":
            return self.contract.replies[names[0]]
        return self.contract.families[names[0]].template(names[1])

    def given(self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None) -> Fact:
        """Return the fact that a reply is given."""
        if isinstance(template, RefusalTemplate) or operation is None:
            return self.fact(template.pointer)
        replies = operation.replies
        named = ("success", "partial", "failed", "replayed")
        outcome = next((name for name in named if getattr(replies, name) is template), named[0])
        return weakest(self.fact(template.pointer), self.fact(f"{operation.pointer}/replies/{outcome}"))

    def status(self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None) -> Fact:
        """Return the fact that states the status of a reply."""
        if isinstance(template, RefusalTemplate):
            return self._of_refusal(template, "status")
        return weakest(self.given(template, operation), self.fact(f"{template.pointer}/status"))

    def content_type(self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None) -> Fact:
        """Return the fact that states the content type of a reply."""
        given = self.given(template, operation)
        if isinstance(template, RefusalTemplate):
            given = weakest(given, self.fact(template.shape.pointer))
        return Fact(f"{template.pointer}#content-type", given.source)

    def body(
        self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None, tokens: Tokens, judged: Judged
    ) -> Fact:
        """Return the fact that states what stands at a place of a reply's body."""
        given, owner, node, place = self.given(template, operation), template.pointer, _body(template), list(tokens)
        if isinstance(template, RefusalTemplate):
            owner = template.shape.pointer
        elif template.text is not None:
            return weakest(given, self.fact(f"{owner}/text"))
        walked = ["body"]
        while place and isinstance(node, dict | list):
            inner = look(node, place[:1])
            if inner is MISSING:
                return self.surplus(template, operation)
            node, token = inner, place.pop(0)
            walked.append(str(token))
        index = None
        if node == "${errors}" and len(place) > 1 and isinstance(template, ReplyTemplate):
            index = judged.event_errors[int(place[0])].index if int(place[0]) < len(judged.event_errors) else None
            node, walked = look(template.item, place[1:2]), ["item", str(place[1])]
        if node == "${message}":
            return self._message(template, judged, index)
        if node == "${code}" and isinstance(template, RefusalTemplate):
            return self._of_refusal(template, "code")
        if node == "${status}" and isinstance(template, RefusalTemplate):
            return self._of_refusal(template, "status")
        return weakest(given, self.fact(owner + pointer.build(walked)))

    def surplus(self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None) -> Fact:
        """Return the fact that a reply has no members but those that its source shows."""
        given, owner = self.given(template, operation), template.pointer
        if isinstance(template, RefusalTemplate):
            owner = template.shape.pointer
        source = weakest(given, Fact(owner, "inferred: no other members are in the replies that are known")).source
        return Fact(f"{owner}#members", source)

    def header(self, template: ReplyTemplate | RefusalTemplate, operation: Operation | None, name: str) -> Fact:
        """Return the fact that states a header of a reply, or that it has none of that name; `name` is lower case."""
        own = {key.lower(): key for key in template.headers}
        if name in own:
            if isinstance(template, RefusalTemplate):
                return self._of_refusal(template, "headers", own[name])
            return weakest(self.given(template, operation), self.fact(f"{template.pointer}/headers/{own[name]}"))
        rate = None if operation is None else operation.rate
        rated = {} if rate is None else {key.lower(): key for key in rate.headers}
        if rate is not None and name in rated:
            return self.fact(f"{rate.pointer}/headers/{pointer.escape(rated[name])}")
        place = template.pointer if operation is None else operation.pointer
        return Fact(f"{place}#no-{name}", f"inferred: nothing says that these replies have {name}")

    def cors(self, rules: CorsRules, header: str, origin: str | None) -> Fact:
        """Return the fact that states a CORS header, or Vary."""
        place = f"/protocol/cors/{rules.name}"
        if header == "vary":
            behavior = self.behavior("cors_vary")
            source = "inferred: a reply that depends on the origin says so, or caches mix replies up"
            return behavior or Fact(f"{place}#vary", source)
        if header in CORS_MEMBERS:
            return self.fact(f"{place}/{CORS_MEMBERS[header]}")
        if header == "access-control-allow-origin":
            return self.fact(f"{place}/{'without_origin' if origin is None else 'allowed_origins'}")
        return Fact(f"{place}#no-{header}", f"inferred: nothing says that these replies have {header}")

    def of_sender(self, judged: Judged) -> list[Fact]:
        """Return the fact that the sender of a request must name somebody, where a contract says so of senders."""
        sender = judged.body.get("source") if isinstance(judged.body, dict) else None
        rules = (rule for rule in self.contract.identity.values() if sender in rule.senders)
        return [self.fact(f"{rule.pointer}/senders/{sender}") for rule in rules]

    def behavior(self, name: str) -> Fact | None:
        """Return what a contract says of the server's behavior under a name."""
        place = f"/protocol/behavior/{name}"
        return self.fact(place) if is_stated(self.contract, place) else None

    def _of_refusal(self, template: RefusalTemplate, *members: str) -> Fact:
        """Return the fact of a refusal's member, which may be that of its family's default."""
        family = f"/protocol/refusals/{template.family}"
        own = f"{family}/{template.reason}" + pointer.build(members)
        return self.fact(own if is_stated(self.contract, own) else f"{family}/default" + pointer.build(members))

    def _message(self, template: ReplyTemplate | RefusalTemplate, judged: Judged, index: int | None) -> Fact:
        """Return the fact that states the text for what is broken: the refusal's, the schema's, that of the keyword."""
        if isinstance(template, RefusalTemplate):
            refusal = judged.refusal
            if "${detail}" not in template.message or refusal is None or refusal.detail is None:
                return self._of_refusal(template, "message")
            return self.message(refusal.finding.rule)
        violation = None if index is None else self._violation(judged, index)
        if violation is None:
            return self.fact("/protocol/messages/default")
        if violation.rule == EVENT_TYPES:
            return self.fact(self._text_for(violation.keyword))
        return self.message(violation.rule)

    def _violation(self, judged: Judged, index: int) -> Violation | None:
        """Return what an event breaks first."""
        form = judged.form
        if form is None or index >= len(judged.events):
            return None
        event_rule = adapter_of(self.contract.adapter).event_rules(self.contract)
        return next(broken_rules(judged, form, judged.events[index], event_rule), None)

    def rule_of_event(self, judged: Judged, index: int) -> str:
        """Return the rule that an event breaks first; that of the types of events where it breaks none."""
        violation = self._violation(judged, index)
        return EVENT_TYPES if violation is None else violation.rule

    def message(self, rule: str) -> Fact:
        """Return the fact that states the text for a broken rule."""
        if rule not in self._messages:
            self._messages[rule] = self.fact(self._place_of_message(rule))
        return self._messages[rule]

    def _place_of_message(self, rule: str) -> str:
        tokens = pointer.parse(rule)
        if tokens[0] == "protocol":
            own = f"{rule}/message"
            return own if is_stated(self.contract, own) else self._text_for(KEYWORD_OF.get(tokens[1], ""))
        if rule == EVENT_TYPES:
            return self._text_for("unknown_type")
        named = len(tokens) > 3 and tokens[-2] in NAMED_BY_ELEMENT and tokens[-3] != "properties"
        holder, keyword = pointer.build(tokens[: -2 if named else -1]), tokens[-2 if named else -1]
        return self._written(holder, keyword) or self._text_for(keyword)

    def _written(self, holder: str, keyword: str) -> str | None:
        """Return where a schema has a text of its own for a keyword: at the holder of the keyword, or around it."""
        for schema in (*self.contract.request_schemas.values(), *self.contract.event_schemas.values()):
            levels = dict(every_schema(schema.body))
            inside = next((at for at, level in levels.items() if level.get(POINTER) == holder), None)
            for length in range(-1 if inside is None else len(inside), -1, -1):
                level = levels.get(() if inside is None else inside[:length], {})
                text = level.get("message")
                if isinstance(text, str) or (isinstance(text, dict) and keyword in text):
                    member = "" if isinstance(text, str) else pointer.build((keyword,))
                    return f"{level[POINTER]}/message{member}"
        return None

    def _text_for(self, keyword: str) -> str:
        known = keyword in self.contract.messages
        return f"/protocol/messages/{keyword if known else 'default'}"


def _body(template: ReplyTemplate | RefusalTemplate) -> Json:
    return template.shape.body if isinstance(template, RefusalTemplate) else template.body


def places_in(template: Json, tokens: Sequence[str | int] = ()) -> list[Tokens]:
    """Return the places of the leaves of a template."""
    if isinstance(template, dict) and template:
        return [place for name, member in template.items() for place in places_in(member, (*tokens, name))]
    if isinstance(template, list) and template:
        return [place for index, member in enumerate(template) for place in places_in(member, (*tokens, index))]
    return [tuple(tokens)]
