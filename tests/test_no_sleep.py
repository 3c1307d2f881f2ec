"""No test source sleeps or polls: the server says when something has happened, the SDK when it is done.

What is looked for is in the syntax, not in the text: a call or an import of that name, a loop that asks the same thing
until the answer pleases it, the timers of JavaScript.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLEEPS = {"sleep", "sleep_ms", "nanosleep", "usleep", "wait_until", "eventually"}
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time_ns"}
QUESTIONS = {"connect_ex", "create_connection", "done", "empty", "exists", "is_alive", "is_dir", "is_file", "is_set"}
QUESTIONS |= {"poll", "qsize", "read_bytes", "read_text", "stat", "urlopen", "waitpid"}
LISTENS = {"read", "readline", "readexactly", "receive"}
TIMERS = re.compile(r"\b(setTimeout|setInterval|setImmediate|waitForTimeout|waitForFunction|while)\b")


def sources(*endings: str) -> list[Path]:
    """Return the test sources with these endings, but for this one and what npm has put beside them."""
    found = (path for ending in endings for path in HERE.rglob(f"*{ending}"))
    return sorted(path for path in found if "node_modules" not in path.parts and path != Path(__file__))


def offences(text: str) -> Iterator[str]:
    """Yield what sleeps or polls in a Python source, with its line."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.While) and _asks(node):
            yield f"{node.lineno}: a loop that asks until the answer pleases it"
        elif isinstance(node, ast.For | ast.AsyncFor) and _counts(node.iter) and _leaves(node) and _asks(node):
            yield f"{node.lineno}: a loop that asks a number of times"
        elif named := SLEEPS & set(_names(node)):
            yield f"{getattr(node, 'lineno', 1)}: {named.pop()}"
    yield from (f"{node.lineno}: a command that sleeps" for node in _commands(tree))


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            yield name


def _asks(loop: ast.AST) -> bool:
    """Tell whether a loop looks at a clock, or asks something outside of it the same question again and again."""
    nodes = list(ast.walk(loop))
    changed = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    asked: list[ast.AST] = [node for node in nodes if isinstance(node, ast.Await)]
    asked += [item.context_expr for node in nodes if isinstance(node, ast.AsyncWith) for item in node.items]
    return any((CLOCKS | QUESTIONS) & set(_names(node)) for node in nodes) or any(
        not (LISTENS | changed) & {name for part in ast.walk(node) for name in _names(part)} for node in asked
    )


def _counts(repeated: ast.expr) -> bool:
    return isinstance(repeated, ast.Call) and bool({"range", "count"} & set(_names(repeated.func)))


def _leaves(loop: ast.AST) -> bool:
    return any(isinstance(node, ast.Break | ast.Return) for node in ast.walk(loop))


def _commands(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the words of command lines that have a program sleep, such as ``["sleep", "1"]`` or ``"sleep 1"``."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"(^|[;&|]\s*)sleep(\s+\d|$)", node.value)
        ):
            yield node


@pytest.mark.parametrize("path", sources(".py"), ids=lambda path: str(path.relative_to(HERE)))
def test_python_source_neither_sleeps_nor_polls(path: Path) -> None:
    assert list(offences(path.read_text())) == []


@pytest.mark.parametrize("path", sources(".mjs", ".js"), ids=lambda path: str(path.relative_to(HERE)))
def test_javascript_source_neither_sleeps_nor_polls(path: Path) -> None:
    code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    assert TIMERS.findall(code) == []


def test_shell_source_does_not_sleep() -> None:
    assert [path for path in sources(".sh") if re.search(r"\bsleep\b", path.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from asyncio import sleep",
        "import asyncio\nasync def f(): await asyncio.sleep(0)",
        "while not path.exists(): pass",
        "while True:\n    if process.poll() is not None: break",
        "async def f():\n    while not rows: rows = await fetch()",
        "async def f():\n    while not rows:\n        async with http.get(url) as reply: rows = await reply.json()",
        "while time.monotonic() < deadline: rows = fetch()",
        "async def f():\n    for _ in range(50):\n        if await fetch(): break",
        "def f():\n    for _ in itertools.count():\n        if path.is_file(): return",
        "subprocess.run(['sleep', '1'])",
        "subprocess.run('true; sleep 5', shell=True)",
    ],
)
def test_offence_is_found_when_a_source_sleeps_or_polls(text: str) -> None:
    assert list(offences(text))


@pytest.mark.parametrize(
    "text",
    [
        "'''Nobody sleeps here.'''",
        "while rest: rest = rest[1:]",
        "while isinstance(holder.get(name), dict): holder = holder[name]",
        "async def f():\n    for n in range(3): await send(n)",
        "for line in process.stdout:\n    if 'ready' in line: break",
        "began = time.monotonic()",
        "async def f():\n    while piece := await asyncio.wait_for(reader.read(10), 5): pieces.append(piece)",
        "async def f():\n    while after is not None: after = (await fetch(f'?after={after}'))['next']",
    ],
)
def test_no_offence_is_found_when_a_source_only_works_or_listens(text: str) -> None:
    assert not list(offences(text))
