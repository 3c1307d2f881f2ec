"""Apex's "Events API" page as a server. Each check names the part of the page it was read in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from tests.verify.pages.web import Answer, Asked, Silent, members

Json = Any
Check = Callable[[Json], bool]
PATH: Final = "/api/events"
"""Ingest Events."""


TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}(?::[0-9]{2})?)?)?",
    re.IGNORECASE,
)
"""Snippet Format: ISO 8601."""


class WrongError(Exception):
    """What is wrong with a request."""


def text(value: Json) -> bool:
    return isinstance(value, str)


def named(value: Json) -> bool:
    """A required string that says something."""
    return isinstance(value, str) and bool(value.strip())


def properties(value: Json) -> bool:
    return isinstance(value, dict)


def moment(value: Json) -> bool:
    if not isinstance(value, str) or TIME.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


OPTIONAL: Final = {"data": properties, "timestamp": moment}
EVENT: Final = {"type": named, "url": named}
"""Batch Format, the row of events."""
SNIPPET: Final = {"type": named, "visitorId": named, "projectKey": named, "url": named}
"""Snippet Format, its required rows."""


def server(asked: Asked, silent: Silent) -> Answer:
    """Answer a request. The endpoint is public: no header is looked at."""
    path = asked.path.partition("?")[0]
    if path != PATH or asked.method != "POST":
        return Answer(status=404 if path != PATH else 405, value={"reason": "not here"})
    try:
        body = json.loads(asked.body)
        if not isinstance(body, dict):
            raise WrongError("an object")
        return Answer(status=200, value={"received": received(members(body, silent), silent)})
    except (ValueError, RecursionError):
        return refusal("JSON", silent)
    except WrongError as wrong:
        return refusal(str(wrong), silent)


def refusal(what: str, silent: Silent) -> Answer:
    """Answer a wrong request, about which the page says nothing."""
    return Answer(status=silent.refused, value={"reason": f"{silent.words}{what}"})


def received(body: Mapping[str, Json], silent: Silent) -> int:
    """Return how many events a body has. Raises WrongError."""
    if "events" not in body:
        check(body, SNIPPET, {**OPTIONAL, "referrer": text}, silent)
        return 1
    check(body, {"projectKey": named, "events": lambda value: isinstance(value, list)}, {"userId": text}, silent)
    if not body["events"]:
        raise WrongError("one or more events")
    for event in body["events"]:
        if not isinstance(event, dict):
            raise WrongError("an event")
        check(members(event, silent), EVENT, OPTIONAL, silent)
    return len(body["events"])


def check(
    value: Mapping[str, Json], required: Mapping[str, Check], optional: Mapping[str, Check], silent: Silent
) -> None:
    """Check the members of an object against the rows of a table. Raises WrongError."""
    for name, fits in {**required, **optional}.items():
        if name in value and not fits(value[name]):
            raise WrongError(name)
    missing: Iterable[str] = [name for name in required if name not in value]
    for name in missing:
        raise WrongError(name)
    if not silent.unlisted and set(value) - set(required) - set(optional):
        raise WrongError("other members")
