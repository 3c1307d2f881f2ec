"""The format of golden cases: its JSON Schema and the one reader agree, over the fixtures and over what is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mockserver.jsonkit import pointer, yamltext
from mockserver.jsonkit.formats import FORMATS, epoch_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import SCHEMA_FILE, case_of, case_of_corpus_line, expand, read_case
from mockserver.lint.document_schema import FormatError
from mockserver.lint.golden_cases import AdvanceStep, CaseSettings, ExpectedEvent
from tests import cases

SCHEMA: Any = json.loads(SCHEMA_FILE.read_text())
FILES = sorted(cases.FIXTURES.glob("*/cases/*.yaml"))
PATH = Path("outlit/cases/full.yaml")
FULL: Any = yamltext.loads(
    """
case: full
dossier: fixtures/README.md
why: It has every key.
revision: compat
patch: {protocol: {}, requests: {}, events: {}, replies: {}, warnings: {}}
settings: {rate_limits: enforce, keys: [pk_a], credentials: [pk_b]}
clock: "2026-06-14T12:00:00.000Z"
steps:
  - request:
      method: PUT
      path: /a?b=c
      headers: {x-a: "1"}
      json: {events: [{$repeat: {times: 2, value: {id: "n${i}"}}}]}
    expect:
      status: 200
      headers: {x-b: "2", x-c: null, x-d: {$match: "[0-9]+"}}
      json: {id: {$match: ".+"}, count: {$number: true}, ids: [{$repeat: {times: 2, value: "n${i}"}}]}
      events:
        - {type: a, verdict: accepted, stored: {type: a}}
        - {type: null, verdict: rejected, findings: [/type]}
  - advance_ms: 1000
  - request: {path: /a, text: {$repeat: {times: 3, text: "ab"}}}
    expect: {status: 400, text: ""}
  - request: {path: /a, base64: "AAE="}
    expect: {status: 400}
stored: 2
""",
    str(PATH),
)
FREE = {"json", "stored", "headers", "protocol", "requests", "events", "replies", "warnings"}
"""Keys below which a case may have any names; `events` and `stored` only where an object is below them."""


def format_checker() -> jsonschema.FormatChecker:
    """Return a checker with the formats of the package, and the patterns of Python."""
    checker = jsonschema.FormatChecker(formats=("regex",))
    for name, check in FORMATS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    return checker


OF_THE_CORPUS = ("corpus_line", "violation")
REQUIRED = [
    "/case",
    "/dossier",
    "/steps",
    "/steps/0/request",
    "/steps/0/expect",
    "/steps/0/request/path",
    "/steps/0/expect/status",
    "/steps/0/expect/events/0/type",
    "/steps/0/expect/events/0/verdict",
    "/steps/0/expect/events/1/type",
    "/steps/0/expect/events/1/verdict",
    "/steps/1/advance_ms",
    "/steps/2/request",
    "/steps/2/expect",
    "/steps/2/request/path",
    "/steps/2/request/text/$repeat",
    "/steps/2/request/text/$repeat/times",
    "/steps/2/request/text/$repeat/text",
    "/steps/2/expect/status",
    "/steps/3/request",
    "/steps/3/expect",
    "/steps/3/request/path",
    "/steps/3/expect/status",
]
"""The places of the full case at which something must be."""


VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=format_checker())


def refusal(document: Any) -> str | None:
    """Return what the reader says against a case; fail where another validator of the schema says otherwise."""
    problems = [error.message for error in VALIDATOR.iter_errors(document)]
    try:
        case_of(document, PATH)
        message = None
    except FormatError as error:
        message = str(error)
    assert (message is None) == (not problems), f"the reader says {message}, the schema {problems}"
    return message


def with_step(request: Any, expect: Any) -> Any:
    return {"case": "full", "dossier": "x", "steps": [{"request": request, "expect": expect}]}


def objects(value: Any, tokens: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the places of the objects that the format closes."""
    if isinstance(value, dict):
        yield tokens
        for name, member in value.items():
            if name not in FREE or isinstance(member, list):
                yield from objects(member, (*tokens, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from objects(member, (*tokens, str(index)))


def changed(tokens: tuple[str, ...]) -> tuple[Any, Any]:
    """Return a copy of the full case and the object in it at a place."""
    document = copy.deepcopy(FULL)
    return document, pointer.get(document, tokens)


MEMBERS = [(*tokens, name) for tokens in objects(FULL) for name in changed(tokens)[1]]


def closed_objects() -> Iterator[tuple[str, Any]]:
    """Yield the objects of the format that name their keys; those of the corpus, too."""
    for name, schema in (("", SCHEMA), *SCHEMA["$defs"].items()):
        if schema.get("additionalProperties") is False:
            yield name, schema


def test_schema_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for _, schema in closed_objects():
        assert schema["title"]
        assert [name for name, key in schema["properties"].items() if not key.keys() & {"description", "$ref"}] == []


def test_full_case_has_every_key_of_the_format() -> None:
    own = {key for name, schema in closed_objects() if name not in OF_THE_CORPUS for key in schema["properties"]}
    assert {name for *_, name in MEMBERS} | {"$match", "$number"} >= own
    assert refusal(FULL) is None


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_fixture_follows_the_schema_and_names_it(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(yamltext.load(path))] == []
    assert read_case(path).name == path.stem
    first_line = path.read_text().partition("\n")[0]
    named = path.parent / first_line.removeprefix("# yaml-language-server: $schema=")
    assert json.loads(named.read_text()) == SCHEMA


def test_every_kind_of_corpus_line_follows_the_schema() -> None:
    line_schema = {"$ref": "#/$defs/corpus_line", "$defs": SCHEMA["$defs"]}
    validator = jsonschema.Draft202012Validator(line_schema, format_checker=format_checker())
    seen: dict[str, Any] = {}
    for path in sorted((cases.FIXTURES / "corpus").glob("*.ndjson")):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            seen.setdefault(f"{path.stem} {list(line)} {list(line['request'])} {list(line['expect'])}", line)
    for place, line in seen.items():
        assert [error.message for error in validator.iter_errors(line)] == [], place
        assert case_of_corpus_line(line, "corpus.ndjson", place).exchanges[-1].expect is not None
    assert len(seen) > 20


@pytest.mark.parametrize("tokens", list(objects(FULL)), ids=pointer.build)
def test_unknown_key_is_refused_by_schema_and_reader_wherever_it_is(tokens: tuple[str, ...]) -> None:
    document, holder = changed(tokens)
    holder["unheard_of"] = 1
    message = refusal(document)
    assert message is not None
    assert message.startswith("outlit/cases/full.yaml")
    assert '/unheard_of: unknown key "unheard_of"; available: ' in message
    if tokens[:1] == ("steps",):
        assert f"step {tokens[1]} " in message


@pytest.mark.parametrize("tokens", MEMBERS, ids=pointer.build)
def test_misspelled_key_is_refused_with_the_closest_name(tokens: tuple[str, ...]) -> None:
    document, holder = changed(tokens[:-1])
    name = tokens[-1]
    holder[f"{name}x"] = holder.pop(name)
    message = refusal(document)
    if name == "advance_ms":  # without it, the step is taken for a request
        assert message is not None
    else:
        assert f'unknown key "{name}x", did you mean "{name}"?' in str(message)


@pytest.mark.parametrize("tokens", [tokens for tokens in MEMBERS if tokens != ("case",)], ids=pointer.build)
def test_schema_and_reader_agree_about_values_of_every_type(tokens: tuple[str, ...]) -> None:
    messages = []
    for value in (None, True, -1, 1.5, 10**9, "text", "", [], [None], ["text"], {}, {"text": 1}):
        document, holder = changed(tokens[:-1])
        holder[tokens[-1]] = value
        messages.append(refusal(document))
    assert any(messages) or tokens[-1] in ("json", "stored")
    place = f"outlit/cases/full.yaml step {tokens[1]}" if len(tokens) > 2 and tokens[0] == "steps" else str(PATH)
    assert all(text is None or text.startswith(place) for text in messages)


@pytest.mark.parametrize("tokens", MEMBERS, ids=pointer.build)
def test_schema_and_reader_agree_about_what_is_required(tokens: tuple[str, ...]) -> None:
    document, holder = changed(tokens[:-1])
    del holder[tokens[-1]]
    assert (refusal(document) is not None) == (pointer.build(tokens) in REQUIRED)


@pytest.mark.parametrize(
    ("request_", "expect", "message"),
    [
        (
            {"path": "/", "json": {}, "text": ""},
            {"status": 200},
            "step 0 /request: A request body is json, text or base64",
        ),
        ({"path": "/", "base64": "e30"}, {"status": 200}, "step 0 /request/base64: "),
        ({"path": "a"}, {"status": 200}, "step 0 /request/path: "),
        ({"path": "/", "method": "get"}, {"status": 200}, "step 0 /request/method: "),
        ({"path": "/", "headers": {"a": 1}}, {"status": 200}, "step 0 /request/headers/a: 1 is not of type"),
        ({"path": "/"}, {"status": 99}, "step 0 /expect/status: 99 is less than"),
        ({"path": "/"}, {"status": 200, "json": {}, "text": ""}, "step 0 /expect: An expected body is json or text"),
        ({"path": "/"}, {"status": 200, "headers": {"a": {"$match": "("}}}, "step 0 /expect/headers/a/$match: "),
        ({"path": "/"}, {"status": 200, "json": {"a": {"$match": 1}}}, "step 0 /expect/json/a/$match: 1 is not"),
        ({"path": "/"}, {"status": 200, "json": {"$match": "a", "b": 1}}, 'step 0 /expect/json/b: unknown key "b"'),
        ({"path": "/"}, {"status": 200, "json": {"$number": False}}, "step 0 /expect/json/$number: "),
        ({"path": "/", "json": {"$repeat": 1}}, {"status": 200}, "step 0 /request/json/$repeat: 1 is not"),
        ({"path": "/", "json": [{"$repeat": {"times": 2, "text": "a"}}]}, {"status": 200}, 'unknown key "text"'),
        ({"path": "/", "json": [1, {"$repeat": {"times": 2, "value": 1}}]}, {"status": 200}, 'unknown key "value"'),
        ({"path": "/", "text": {"$repeat": {"time": 2, "text": "a"}}}, {"status": 200}, 'did you mean "times"?'),
        ({"path": "/", "text": {"$repeat": {"times": -1, "text": "a"}}}, {"status": 200}, "/$repeat/times: -1 is less"),
    ],
)
def test_step_is_refused_with_its_place_when_a_value_is_wrong(request_: Any, expect: Any, message: str) -> None:
    assert message in str(refusal(with_step(request_, expect)))


@pytest.mark.parametrize("clock", ["2026-02-30T12:00:00Z", "2026-06-14", "noon"])
def test_clock_is_refused_when_it_is_no_moment(clock: str) -> None:
    assert "/clock: " in str(refusal({**FULL, "clock": clock}))


def test_case_is_refused_when_its_name_is_not_that_of_its_file() -> None:
    with pytest.raises(FormatError, match=r'full\.yaml /case: must be the name of the file, "full"'):
        case_of({**FULL, "case": "other"}, PATH)


def test_case_is_refused_when_it_is_nested_too_deeply() -> None:
    value: Any = 1
    for _ in range(700):
        value = [value]
    with pytest.raises(FormatError, match="nested too deeply"):
        case_of(with_step({"path": "/", "json": value}, {"status": 200}), PATH)


def test_values_are_those_of_the_file_with_repetitions_expanded() -> None:
    case = case_of(FULL, PATH)
    assert (case.name, case.protocol, case.revision, case.stored) == ("full", "outlit", "compat", 2)
    assert case.settings == CaseSettings(rate_limits="enforce", keys=frozenset({"pk_a"}), credentials=("pk_b",))
    assert case.clock_ms == epoch_ms("2026-06-14T12:00:00.000Z")
    assert case.steps[1] == AdvanceStep(place="step 1", ms=1000)
    first, text, binary = case.exchanges
    assert (first.request.method, first.request.target) == ("PUT", "/a?b=c")
    assert first.request.headers == ((b"x-a", b"1"),)
    assert first.request.body == b'{"events":[{"id":"n0"},{"id":"n1"}]}'
    assert first.json == {"events": [{"id": "n0"}, {"id": "n1"}]}
    assert (text.request.body, text.json, binary.request.body) == (b"ababab", MISSING, b"\x00\x01")
    assert first.expect is not None
    assert first.expect.json["ids"] == ["n0", "n1"]
    assert first.expect.events == (
        ExpectedEvent(type="a", verdict="accepted", stored={"type": "a"}),
        ExpectedEvent(type=None, verdict="rejected", findings=("/type",)),
    )


def test_defaults_are_filled_in_when_a_case_is_short() -> None:
    case = case_of(with_step({"path": "/a", "json": {"a": "é"}}, {"status": 200}), PATH)
    assert (case.clock_ms, case.settings, case.patch) == (epoch_ms("2026-06-14T12:00:02.000Z"), CaseSettings(), None)
    (step,) = case.exchanges
    assert (step.request.method, step.request.body) == ("POST", '{"a":"é"}'.encode())
    assert step.request.headers == ((b"content-type", b"application/json"),)
    (bare,) = case_of(with_step({"path": "/a"}, {"status": 200}), PATH).exchanges
    assert (bare.request.headers, bare.request.body) == ((), b"")


def test_corpus_line_is_a_case_with_what_goes_before_it() -> None:
    line = {"protocol": "outlit", "before": [{"path": "/a"}], "request": {"path": "/b"}, "expect": {"status": 200}}
    case = case_of_corpus_line(line, "corpus.ndjson", "line 3")
    assert [(step.request.target, step.expect is None) for step in case.exchanges] == [("/a", True), ("/b", False)]
    with pytest.raises(FormatError, match=r'corpus\.ndjson line 3 /befor: unknown key "befor", did you mean "before"'):
        case_of_corpus_line({**line, "befor": []}, "corpus.ndjson", "line 3")


def test_list_with_one_long_text_is_read_as_that() -> None:
    assert expand([{"$repeat": {"times": 3, "text": "x"}}]) == ["xxx"]
    assert expand([{"$repeat": {"times": 2, "value": 1}}]) == [1, 1]
