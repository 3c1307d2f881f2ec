"""Apex: two formats on one path, and the project that a server key speaks for.

The formats are told apart as apex.md#telling-the-formats-apart says, the project as apex.md#server-events and
apex.md#refusals-of-server-events rows "several projects, none named", "unknown project" say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs

from mockserver.contract.contract import split_target
from mockserver.contract.extension import CheckKind
from mockserver.contract.operation import BoundGate, Form, Operation
from mockserver.contract.sections import Projects
from mockserver.core.adapter import Adapter
from mockserver.core.model import Judged, Receipt, Refusal
from mockserver.core.refusals import refuse
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms


def _choose_form(operation: Operation, body: Json) -> Form | None:
    """The member that holds a format's events tells it, whatever its value; without it the body itself is an event."""
    forms = operation.forms.values()
    with_array = (form for form in forms if form.events and pointer.get(body, form.events) is not pointer.MISSING)
    without_array = (form for form in forms if not form.events)
    return next(with_array, None) or next(without_array, None) or next(iter(forms), None)


def _requested_project(judged: Judged, projects: Projects) -> str | None:
    return (judged.request.header(projects.header.lower().encode()) or "").strip() or None


def _project(judged: Judged, projects: Projects) -> str | None:
    """The project asked for, else one that can be picked: the default where it is known, or the only one there is."""
    known, requested = projects.known, _requested_project(judged, projects)
    if requested is not None:
        return requested if not known or requested in known else None
    if not known or projects.default in known:
        return projects.default
    return known[0] if len(known) == 1 else None


def _project_gate(judged: Judged, gate: BoundGate) -> Refusal | None:
    projects = judged.contract.projects
    if projects is None or _project(judged, projects) is not None:
        return None
    rule, known = "/protocol/projects/known", list(projects.known)
    requested = _requested_project(judged, projects)
    if requested is None:
        text = f"the organisation has several projects; set {projects.header}"
        return refuse(judged, gate, "project_required", text, rule=rule, expected=known)
    text = f"unknown project {requested}"
    return refuse(judged, gate, "unknown_project", text, rule=rule, expected=known, got=requested)


def _variables(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    """Add `project`, `now`, and each query parameter an operation requires as `query_<name>`, in lower case."""
    variables: dict[str, Json] = {"now": rfc3339_ms(judged.terms.now_ms)}
    if judged.contract.projects is not None:
        variables["project"] = _project(judged, judged.contract.projects)
    query = parse_qs(split_target(judged.request.target)[1])
    for name in judged.operation.query if judged.operation else ():
        variables[f"query_{name.lower()}"] = query.get(name, [None])[0]
    return variables


def _reply_names(operation: Operation, projects: Projects | None) -> Iterable[str]:
    yield "now"
    if projects is not None:
        yield "project"
    yield from (f"query_{name.lower()}" for name in operation.query)


def _scope(judged: Judged) -> str:
    """An idempotency key is unique within a project and a server key (apex.md#idempotency row "scope")."""
    projects = judged.contract.projects
    project = None if projects is None else _project(judged, projects)
    return f"{project or ''}\0{judged.credential or ''}"


ADAPTER = Adapter(
    choose_form=_choose_form,
    array_tells_form=True,
    checks={"project": CheckKind(("project_required", "unknown_project"), needs=("/protocol/projects",))},
    run={"project": _project_gate},
    variables=_variables,
    reply_names=_reply_names,
    scope=_scope,
)
