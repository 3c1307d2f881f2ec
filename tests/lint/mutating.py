"""Documents with a few members removed or replaced by odd values, for tests that nothing in a file raises."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mockserver.contract.library import library
from mockserver.lint.checker import CheckOptions, check

ODD_VALUES = st.sampled_from(
    [None, True, 0, -1, 1e300, 10**30, "", "\ud800", "\x00", "http://[", "base64", "é" * 9, [], {}, [None], {"": None}]
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every member and item below a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [inner for name, member in members for inner in [(*path, name), *paths_of(member, (*path, name))]]


def mutated(document: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for copies of a document with one to four changes."""
    changes = st.tuples(st.sampled_from(paths_of(document)), st.just("delete") | ODD_VALUES)
    return st.lists(changes, min_size=1, max_size=4).map(lambda mutations: _with(document, mutations))


def _with(document: Any, mutations: Any) -> Any:
    document = copy.deepcopy(document)
    for path, value in mutations:
        holder = document
        try:
            for token in path[:-1]:
                holder = holder[token]
            if value == "delete":
                del holder[path[-1]]
            else:
                holder[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):  # removed by an earlier change
            continue
    return document


def assert_checked(files: Sequence[Path]) -> None:
    """Check files, and assert that the result can be written; nothing is raised."""
    checked = check(files, library(), CheckOptions())
    for text in (checked.summary(), json.dumps(checked.as_json()), *(problem.text() for problem in checked.problems)):
        text.encode("utf-8")
