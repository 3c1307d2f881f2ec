"""Apex: two formats on one path (apex §3), and the project a server key speaks for (apex §2.3, §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs

from mockserver.adapters import Adapter
from mockserver.contract.contract import Form, Operation, split_target
from mockserver.core.gates import BoundGate, Gate
from mockserver.core.model import Judged, Receipt, Refusal
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms


def _choose_form(operation: Operation, body: Json) -> Form | None:
    """The member that holds a format's events tells it, whatever its value; without it the body itself is an event."""
    forms = operation.forms.values()
    held = (form for form in forms if form.events and pointer.get(body, form.events) is not pointer.MISSING)
    rest = (form for form in forms if not form.events)
    return next(held, None) or next(rest, None) or next(iter(forms), None)


def _asked_project(judged: Judged) -> str | None:
    name: str = judged.contract.protocol["projects"]["header"]
    return (judged.request.header(name.lower().encode()) or "").strip() or None


def _project(judged: Judged) -> str | None:
    """The project asked for, else one that can be picked: the default where it is known, or the only one there is."""
    rules: Mapping[str, Json] = judged.contract.protocol["projects"]
    known: list[str] = rules["known"]
    default: str = rules["default"]
    asked = _asked_project(judged)
    if asked is not None:
        return asked if not known or asked in known else None
    if not known or default in known:
        return default
    return known[0] if len(known) == 1 else None


def _project_gate(judged: Judged, gate: BoundGate) -> Refusal | None:
    if _project(judged) is not None:
        return None
    rule = "/protocol/projects/known"
    rules: Mapping[str, Json] = judged.contract.protocol["projects"]
    asked = _asked_project(judged)
    if asked is None:
        text = f"the organisation has several projects; set {rules['header']}"
        return gate.refuse(judged, "project_required", text, rule=rule, expected=rules["known"])
    text = f"unknown project {asked}"
    return gate.refuse(judged, "unknown_project", text, rule=rule, expected=rules["known"], got=asked)


def _variables(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    """Add `project`, `now`, and each query parameter an operation requires as `query_<name>`, in lower case."""
    spec: Mapping[str, Json] = {} if judged.operation is None else judged.operation.spec
    made: dict[str, Json] = {"now": rfc3339_ms(judged.terms.now_ms)}
    if "projects" in judged.contract.protocol:
        made["project"] = _project(judged)
    asked = parse_qs(split_target(judged.request.target)[1])
    for name in spec.get("query", ()):
        made[f"query_{name.lower()}"] = asked.get(name, [None])[0]
    return made


def _names(protocol: Mapping[str, Json], operation: Mapping[str, Json]) -> Iterable[str]:
    yield "now"
    if "projects" in protocol:
        yield "project"
    for name in operation.get("query", ()):
        yield f"query_{name.lower()}"


def _scope(judged: Judged) -> str:
    """An idempotency key is one within a project and a server key (apex §4.2)."""
    project = _project(judged) if "projects" in judged.contract.protocol else None
    return f"{project or ''}\0{judged.credential or ''}"


ADAPTER = Adapter(
    choose_form=_choose_form,
    gates={
        "project": Gate(
            "project", _project_gate, ("project_required", "unknown_project"), needs=("/protocol/projects",)
        )
    },
    variables=_variables,
    names=_names,
    scope=_scope,
)
