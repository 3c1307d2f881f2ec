"""Pages of a real Chromium that tests drive over pipes, and the requests that they look at."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import ROOT

HERE = Path(__file__).parent
UI = ROOT / "mockserver" / "server" / "ui"
PICTURES = ROOT / "build" / "live-page"
"""Where screenshots go: CI keeps the folder."""
SIZES = ((1280, 800), (390, 844))
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PageError(Exception):
    """Chromium refused what a test asked for."""


@dataclass(frozen=True, slots=True)
class Browser:
    """The Node process of `remote.mjs`."""

    process: subprocess.Popen[str]

    def open(self, name: str, **options: Any) -> Page:
        """Open a page in a context of its own, with options of Playwright's `newContext`."""
        page = Page(self, name)
        page.call("open", options)
        return page


@dataclass(frozen=True, slots=True)
class Page:
    """One page. Nothing here waits by the clock: `wait_for` ends when an expression is true."""

    browser: Browser
    name: str

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of Playwright's `Page`, such as `keyboard.press`."""
        stdin, stdout = self.browser.process.stdin, self.browser.process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps({"page": self.name, "method": method, "args": args}), file=stdin, flush=True)
        reply = json.loads(stdout.readline() or '{"failure": "the Node process is gone"}')
        if "failure" in reply:
            raise PageError(f"{method}{args}: {reply['failure']}")
        return reply["value"]

    def go(self, url: str) -> None:
        """Load a URL."""
        self.call("goto", url)

    def wait_for(self, function: str, value: Any = None) -> None:
        """Wait until a function of JavaScript, called with the value, returns something true."""
        self.call("waitFor", function, value)

    def wait_for_text(self, text: str) -> None:
        """Wait until a text can be seen on the page."""
        self.wait_for("(text) => document.body.innerText.includes(text)", text)

    def wait_for_rows(self, count: int) -> None:
        """Wait until the list has so many requests."""
        self.wait_for(
            "(count) => document.querySelector('#count').textContent.startsWith(`${count} request`)"
            " && (document.querySelector('.row') !== null) === count > 0",
            count,
        )

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that a selector finds."""
        found: list[str] = self.call(
            "evaluate", f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.innerText)"
        )
        return found

    def click(self, selector: str) -> None:
        """Click on an element."""
        self.call("click", selector, {"timeout": 10_000})

    def press(self, key: str) -> None:
        """Press a key."""
        self.call("keyboard.press", key)

    def copied(self, button: str) -> str:
        """Press a button that copies, and return what is in the clipboard then."""
        self.call("evaluate", "navigator.clipboard.writeText('nothing')")
        self.click(f"button:text-is('{button}')")
        self.wait_for("() => navigator.clipboard.readText().then((text) => text !== 'nothing')")
        text: str = self.call("evaluate", "navigator.clipboard.readText()")
        return text

    def wait_for_focus(self, selector: str) -> None:
        """Wait until the element with the focus is one that a selector finds."""
        self.wait_for("(selector) => document.activeElement.matches(selector)", selector)

    def problems(self) -> list[str]:
        """Return the errors on the console, exceptions and dialogs since the last call."""
        found: list[str] = self.call("problems")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One server, over HTTP."""

    url: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request with a body (bytes, or a value for JSON); return status and body, parsed if it is JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path,
            content,
            {"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            with _direct.open(request) as reply:
                return reply.status, _parsed(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())

    def outlit(self, key: str, *events: Mapping[str, Any]) -> int:
        """Send a batch of Outlit's; return the status."""
        body = {"visitorId": "a1b2c3d4-e5f6-4890-abcd-ef1234567890", "source": "client", "events": events}
        return self.send("POST", f"/api/i/v1/{key}/events", body)[0]

    def verdicts(self, key: str) -> list[str]:
        """Return the verdicts of all events of a session."""
        return [row["verdict"] for row in self.send("GET", f"/_mock/sessions/{key}/events?verdict=any")[1]["events"]]


def pageview(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return an event that every revision of Outlit takes."""
    return {"type": "pageview", "url": f"https://shop.example/p{number}", "path": f"/p{number}", **members}


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
