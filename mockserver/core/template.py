"""Reply templates: JSON with `${name}` in strings. A string that is one name alone becomes the value itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from mockserver.core.model import Json

_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")
Variables = Mapping[str, Json]


def fill(template: Json, variables: Variables) -> Json:
    """Return the template with its names replaced. Raises KeyError for a name without a value."""
    if isinstance(template, str):
        if "${" not in template:
            return template
        whole = _NAME.fullmatch(template)
        return variables[whole[1]] if whole else fill_text(template, variables)
    if isinstance(template, dict):
        return {name: fill(member, variables) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, variables) for item in template]
    return template


def fill_text(template: str, variables: Variables) -> str:
    """Return a text template as a text."""
    return _NAME.sub(lambda match: str(variables[match[1]]), template)


def names(template: Json) -> set[str]:
    """Return the names a template asks for."""
    if isinstance(template, str):
        return set(_NAME.findall(template))
    if isinstance(template, dict):
        return set().union(*(names(member) for member in template.values())) if template else set()
    if isinstance(template, list):
        return set().union(*(names(item) for item in template)) if template else set()
    return set()


def phrase(status: int) -> str:
    """Return the standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
