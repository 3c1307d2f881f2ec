"""The live page against hostile data, other origins and an admin token."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.live_page.harness import Api, Page, pageview
from tests.processes import served
from tests.threaded import listening

MARKUP = '<img src=x onerror="window.hacked=true;alert(1)"></script><script>window.hacked=true</script>'
NAME = "n" * 10_000
TEXTS = {
    "markup": MARKUP,
    "bidi": "\u202egnp.exe\u2066\u2069",
    "NUL": "a\x00b\x1b[31m\x7f",
    "separators": "a\u2028b\u2029c\ufeff",
    "1 MB": "<b>" * 330_000,
    "template": "${alert(1)}{{alert(1)}}",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_data_is_shown_as_text(page: Page, api: Api, key: str, kind: str) -> None:
    text = TEXTS[kind]
    api.outlit(key, pageview(1, title=text, **{text[:1000]: text[:1000]}), {"type": text[:300]})
    page.go(f"{api.url}/_mock/ui/#/session/{key}")
    page.wait_for_rows(1)
    page.click(".row")
    page.wait_for("() => document.querySelectorAll('.line').length > 5")
    page.click("details.event:not([open]) > summary")
    assert page.call("evaluate", "window.hacked") is None
    assert page.call("evaluate", "document.querySelectorAll('main img, main script, main b').length") == 0
    seen = page.call("evaluate", "document.body.innerText")
    assert not set(seen) & set("\u202e\u2066\u2069\x00\x1b\x7f\u2028\u2029\ufeff")
    assert page.problems() == []


def test_lone_surrogates_deep_nesting_and_long_names_are_shown(page: Page, api: Api, key: str) -> None:
    deep, big = "[" * 60 + "]" * 60, "123456789012345678901234567890"
    event = f'{{"type": "custom", "\\ud800": "\\udfff", "{NAME}": 1, "properties": {{"deep": {deep}, "big": {big}}}}}'
    api.send("POST", f"/api/i/v1/{key}/events", f'{{"visitorId": "v", "events": [{event}]}}'.encode())
    page.go(f"{api.url}/_mock/ui/#/session/{key}")
    page.wait_for_rows(1)
    page.click(".row")
    page.wait_for("() => document.querySelectorAll('.line').length > 100")
    seen = page.call("evaluate", "document.body.innerText")
    assert "\\udfff" in seen
    assert big in seen
    assert page.problems() == []


def test_name_of_a_session_is_text(page: Page, api: Api) -> None:
    api.send("POST", "/api/i/v1/pk_x/events", {"events": []}, **{"X-Mock-Session": "<b>bold<"})
    page.go(f"{api.url}/_mock/ui/")
    page.wait_for("() => [...document.querySelectorAll('nav a .name')].some((name) => name.textContent === '<b>bold<')")
    assert page.call("evaluate", "document.querySelectorAll('nav b, main b').length") == 0


def test_policy_allows_nothing_unsafe(api: Api) -> None:
    with urllib.request.urlopen(f"{api.url}/_mock/ui/") as reply:
        policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


@contextmanager
def foreign_page(html: str) -> Iterator[str]:
    """Serve a page on another origin; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with listening(Handler) as url:
        yield f"{url.replace('127.0.0.1', 'localhost')}/"


def test_page_of_another_origin_neither_reads_nor_frames(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1, title="SECRET"))
    stream = f"{api.url}/_mock/stream?after=0"
    html = f"""<!doctype html><iframe id=frame src="{api.url}/_mock/ui/"></iframe><script>
      fetch("{stream}").then((r) => r.text(), () => "refused").then((text) => {{ document.body.dataset.read = text; }});
      const source = new EventSource("{stream}");
      source.onerror = () => {{ document.body.dataset.streamed = "refused"; source.close(); }};
      for (const name of ["request", "session", "message"])
        source.addEventListener(name, () => {{ document.body.dataset.streamed = "read"; }});
      document.querySelector("#frame").onload = () => {{ document.body.dataset.framed = true; }};
    </script>"""
    with foreign_page(html) as url:
        page.go(url)
        page.wait_for("() => ['read', 'streamed', 'framed'].every((name) => name in document.body.dataset)")
        assert page.call("evaluate", "document.body.dataset.read") == "refused"
        assert page.call("evaluate", "document.body.dataset.streamed") == "refused"
        policy = [text for text in page.problems() if "frame-ancestors" in text or "frame" in text.lower()]
        assert policy, "Chromium says that it does not show the frame"


def test_link_of_another_site_leads_to_the_page(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    with foreign_page(f'<!doctype html><a href="{api.url}/_mock/ui/#/session/{key}">report</a>') as url:
        page.go(url)
        page.click("a")
        page.call("waitForURL", f"{api.url}/_mock/ui/**")
        page.wait_for_rows(1)


def test_admin_token_is_asked_for_and_leaks_nowhere(page: Page) -> None:
    token = "hunter2-is-a-long-token"
    with served("--log-level", "debug", variables={"MOCKSERVER_SERVE_ADMIN_TOKEN": token}) as server:
        Api(url=server.url).outlit("pk_x", pageview(1))
        page.go(f"{server.url}/_mock/ui/")
        page.wait_for("() => document.querySelector('#login').open")
        assert page.texts(".row") == []
        page.call("fill", "#token", "wrong")
        page.click("#login button")
        page.wait_for_text("The server does not take this token.")
        page.call("fill", "#token", token)
        page.click("#login button")
        page.wait_for_rows(1)
        page.click(".row")
        page.wait_for("() => document.querySelector('#detail h2') !== null")
        copied = page.copied("Copy as curl") + page.copied("Copy address") + page.call("url")
        assert token not in copied
        assert token not in page.call("evaluate", "document.documentElement.outerHTML")
        code, output, log = server.end()
        assert code == 0
        assert token not in output + log
