"""The page about the Python API and the pytest plugin, from signatures and docstrings; generate.py writes it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import mockserver
from mockserver import pytest_plugin
from mockserver.client import arguments as types
from mockserver.client import results
from mockserver.client.client import Clock, Faults, Session
from mockserver.client.local import Options
from mockserver.client.stream import StreamedEvent
from mockserver.recording.learning import learned
from mockserver.settings import Settings

PARAMETERS: Final = (
    *(types.Matcher, types.RequestMatcher, types.WaitOptions, types.RequestWaitOptions),
    *(types.StreamOptions, types.Step, types.Settings),
)
RETURNED: Final = (
    *(
        results.Event,
        mockserver.Finding,
        results.Request,
        results.Exchange,
        results.Message,
        results.OtherReply,
        results.Delivery,
    ),
    *(results.Attempt, results.Waited, results.NearMiss, results.RefusedRequest, results.Unseen, results.OtherSession),
    *(learned.Learned, learned.LearnedProtocol, learned.Fact, learned.Unanswered),
    *(StreamedEvent, results.FaultStep, results.ClockReading, results.Played, results.SessionState),
)


def page() -> str:
    """Return the page."""
    text = [
        "# Python API and pytest plugin\n\n"
        "Times are in seconds, except members ending in `_ms` (milliseconds). `session.aio` has the same methods as\n"
        "coroutines; `session.aio.stream()` is for `async for`.\n"
    ]
    text.append(f"## `MockServer`\n\n{inspect.getdoc(mockserver.MockServer)}\n\n{_rest(Settings)}\n")
    text.append("\n".join(_members(Options)))
    text.append(f"## `Session`\n\n{inspect.getdoc(Session)}\n")
    text.append("\n".join(_methods(Session, "session.")))
    text.append(f"## Fault steps\n\n{inspect.getdoc(Faults)}\n")
    text.append("\n".join(_methods(Faults, "session.faults.")))
    text.append(f"## Clock\n\n{inspect.getdoc(Clock)}\n")
    text.append("\n".join(_methods(Clock, "session.clock.")))
    text.append(f"## `mockserver.learn`\n\n{inspect.getdoc(mockserver.learn)}\n")
    text.append("## Parameter types\n")
    text += [f"### `{kind.__name__}`\n\n{inspect.getdoc(kind)}\n\n" + "\n".join(_members(kind)) for kind in PARAMETERS]
    text.append("## Return types\n")
    text += [f"### `{kind.__name__}`\n\n{inspect.getdoc(kind)}\n\n" + "\n".join(_members(kind)) for kind in RETURNED]
    return "\n".join([*text, *_plugin()])


def _methods(kind: type, prefix: str) -> Iterator[str]:
    yield "| Name | Description |"
    yield "| --- | --- |"
    for name, member in inspect.getmembers(kind):
        if name.startswith("_") or name in ("connections", "target"):
            continue
        said = (inspect.getdoc(member) or "").replace("|", "\\|")
        said = " ".join(said.split())
        if isinstance(member, property):
            yield f"| `{prefix}{name}` | {said} |"
        elif callable(member):
            yield f"| `{prefix}{name}{_signature(member)}` | {said} |"
    yield ""


def _signature(function: Any) -> str:
    """Return a signature as a caller sees it, without the first parameter."""
    given = inspect.signature(function)
    shown = list(given.parameters.values())[1:]
    text = str(given.replace(parameters=shown)).replace("'", "")
    return re.sub(r"-> Steps\[(.*)\]$", r"-> \1", re.sub(r"Unpack\[(\w+)\]", r"\1", text)).replace("|", "\\|")


def _members(kind: Any) -> Iterator[str]:
    yield "| Member | Type |"
    yield "| --- | --- |"
    hints = {field.name: field.type for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
    for base in reversed(kind.__mro__) if not hints else ():
        hints |= inspect.get_annotations(base)
    for name, hint in hints.items():
        shown = hint.__forward_arg__ if hasattr(hint, "__forward_arg__") else hint
        yield f"| `{name}` | `{str(shown).replace('|', chr(92) + '|')}` |"
    yield ""


def _rest(kind: type) -> str:
    """Return a docstring without its first sentence."""
    return (inspect.getdoc(kind) or "").partition("\n\n")[2]


def _plugin() -> Iterator[str]:
    yield "## The pytest plugin\n"
    yield "| Fixture | Description |\n| --- | --- |"
    for function in ast.parse(inspect.getsource(pytest_plugin)).body:
        if isinstance(function, ast.FunctionDef) and function.name.startswith("mock_server"):
            yield f"| `{function.name}` | {' '.join((ast.get_docstring(function) or '').split())} |"
    yield f"\nThe marker: `{pytest_plugin.MARK_HELP}`.\n"
    yield "| Option | Key in the ini file | Variable | Description |\n| --- | --- | --- | --- |"
    for name, option in pytest_plugin.OPTIONS.items():
        yield (
            f"| `{pytest_plugin.flag(name)}` | `mockserver_{name}` | `{pytest_plugin.variable(name)}` | {option.help} |"
        )
