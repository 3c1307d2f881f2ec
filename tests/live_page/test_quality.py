"""What tools say of the live page: the type checker and the linter of its files, axe of its views; and its pictures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live_page.harness import HERE, PICTURES, SIZES, UI, Api, Page, pageview
from tests.processes import served

VIEWS: dict[str, Callable[[str], str]] = {
    "empty": lambda key: f"#/session/{key}_nothing",
    "busy": lambda key: f"#/session/{key}",
    "request": lambda key: f"#/session/{key}?verdict=rejected&request=r21",
    "deliveries": lambda key: f"#/session/{key}/deliveries",
    "score": lambda key: f"#/session/{key}/score",
    "control": lambda key: f"#/session/{key}/control",
}

DRAWN = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
"""Waits for two frames, in which a page that was made narrower is drawn anew."""


def test_files_are_well_typed(tools: Path) -> None:
    done = subprocess.run([tools / "tsc", "-p", HERE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_files_pass_the_linter(tools: Path) -> None:
    command: list[str | Path] = [tools / "eslint", "--config", HERE / "eslint.config.mjs", "--max-warnings", "0", UI]
    done = subprocess.run(command, cwd=UI.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(page: Page, api: Api, key: str, view: str) -> None:
    fill(api, key)
    page.go(f"{api.url}/_mock/ui/{VIEWS[view](key)}")
    page.wait_for("() => document.querySelector('#state').className === 'live'")
    ready = {
        "empty": "() => document.querySelector('#count').textContent === '0 requests'"
        " && document.querySelector('#empty').hidden && !document.querySelector('#nothing').hidden",
        "busy": "() => document.querySelectorAll('.row').length > 10",
        "request": "() => document.querySelector('.finding') !== null",
        "deliveries": "() => document.querySelector('.lanes') !== null",
        "score": "() => document.querySelectorAll('.score tbody tr').length > 10",
        "control": "() => document.querySelector('#clock-amount') !== null",
    }
    page.wait_for(ready[view])
    hold(page, view)


@pytest.mark.parametrize("dialog", ["none", "keys", "token"])
def test_axe_finds_nothing_before_the_first_request(page: Page, dialog: str) -> None:
    token = {"MOCKSERVER_SERVE_ADMIN_TOKEN": "long-enough-token"} if dialog == "token" else {}
    with served(variables=token) as server:
        page.go(f"{server.url}/_mock/ui/")
        if dialog == "token":
            page.wait_for("() => document.querySelector('#login').open")
        else:
            page.wait_for_text("No request has arrived yet")
        if dialog == "keys":
            page.click("#help-button")
        hold(page, f"first-{dialog}")


def hold(page: Page, name: str) -> None:
    """Take pictures of what a page shows, and let axe look at it: wide and narrow, light and dark."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES:
        page.call("setViewportSize", {"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.call("emulateMedia", {"colorScheme": scheme, "reducedMotion": "reduce"})
            page.call(
                "evaluate", "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
            )
            picture = PICTURES / f"{name}-{width}-{scheme}.png"
            page.call("screenshot", {"path": str(picture)})
            assert picture.stat().st_size > 5_000
            report = page.call("axe")
            assert report["checked"] > 10
            assert report["violations"] == []
            too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert page.call("evaluate", too_wide) is False
    assert [text for text in page.problems() if "401" not in text] == []


def fill(api: Api, key: str) -> None:
    """Send what the views show: good events, events with warnings, refused ones, retries."""
    for number in range(20):
        api.outlit(key, pageview(number))
    api.outlit(key, pageview(1), {"type": "nope"}, {"type": "custom", "eventName": 5})
    api.send("PATCH", f"/_mock/sessions/{key}", {"credentials": [f"wrk_{key}"]})
    api.send(
        "PUT",
        f"/_mock/sessions/{key}/faults",
        [{"times": 1, "reply": {"status": 503}}, {"times": 1, "connection": "drop", "when": "after_commit"}],
    )
    event = {"external_user_id": "ada", "event_type": "paid", "context": {"$message_id": "m-1"}}
    for _ in range(3):
        try:
            api.send("POST", "/v1/events/batch", {"events": [event]}, **{"X-API-Key": f"wrk_{key}"})
        except OSError:
            continue  # the fault step closes the connection
