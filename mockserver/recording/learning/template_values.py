"""Which templates may have made a value of a recorded reply."""

from __future__ import annotations

import re
from typing import Final

from mockserver.contract.sections import RefusalTemplate, ReplyTemplate
from mockserver.core.answer import reply_variables
from mockserver.jsonkit import Json
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.text_changes import PLACE_OF_ONE

NOTHING: Final = "${nothing}"
REQUEST_ID: Final = "${request_id}"
_ID: Final = re.compile("(?=.*[0-9])[0-9A-Za-z_-]{8,80}|<(?:id|value):[0-9]+>")
"""What looks like an id that a server makes up."""


def values_of(played: Played, template: ReplyTemplate | RefusalTemplate, got: Json) -> list[Json]:
    """Return the templates that may have made a value: the names of the same value, and the value itself."""
    if got is None:
        return [NOTHING]
    found: list[Json] = []
    if isinstance(template, ReplyTemplate) and isinstance(got, int | str) and not isinstance(got, bool):
        exact = reply_variables(played.judged, played.receipt, template.item)
        usual = ("processed", "accepted", "duplicates", "rejected", "batch_size")
        found += [f"${{{name}}}" for name in usual if exact[name] == got and not isinstance(got, str)]
        found += [f"${{{name}}}" for name, value in exact.items() if isinstance(got, str) and value == got]
    if not (isinstance(got, str) and PLACE_OF_ONE.search(got)):
        found.append(without_null(got))
    if isinstance(template, RefusalTemplate) and isinstance(got, str) and _ID.fullmatch(got) is not None:
        found.append(REQUEST_ID)
    return found


def without_null(value: Json) -> Json:
    """Return a value as a template has it: a contract has no null."""
    if isinstance(value, dict):
        return {name: without_null(member) for name, member in value.items()}
    if isinstance(value, list):
        return list(map(without_null, value))
    return NOTHING if value is None else value
