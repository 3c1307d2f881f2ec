"""The live page: its files hold no data. What they show, they ask the control surface for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.server.aiohttp_io import SERVER
from mockserver.server.control import HEADERS, ROOT, RejectedError
from mockserver.server.guards import Guard

PAGE: Final = f"{ROOT}ui/"
"""The path of the page."""
INDEX: Final = "index.html"
MEDIA_TYPES: Final = MappingProxyType(
    {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
)
PAGE_HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
)
"""What the page may do: load its own files, and call this server."""


def is_page(path: str) -> bool:
    """Return whether a path is that of the page or of one of its files."""
    return path == PAGE.rstrip("/") or path.startswith(PAGE)


def page_reply(guard: Guard, request: web.BaseRequest, path: str) -> web.Response:
    """Return the reply to a request for the page or for a file of it.

    A link on a page of another site may lead here: the guard asks only for the host.
    """
    try:
        wrong_host = guard.host_problem(request.headers, request.raw_path)
        if wrong_host is not None:
            raise RejectedError(421, wrong_host)
        reply = _file(request.method, path)
    except RejectedError as error:
        reply = error.response
    for name, value in {**HEADERS, **PAGE_HEADERS}.items():
        reply.headers.setdefault(name, value)
    return reply


def _file(method: str, path: str) -> web.Response:
    if method not in ("GET", "HEAD"):
        raise RejectedError(405, f"{method} is not allowed for this path; allowed: GET", headers={"Allow": "GET"})
    if path == PAGE.rstrip("/"):
        return web.Response(status=308, headers=CIMultiDict({"Location": PAGE, "Server": SERVER}))
    name = path.removeprefix(PAGE) or INDEX
    content = _files().get(name)
    if content is None:
        raise RejectedError(404, f"the live page has no file {name}; the page is at {PAGE}")
    headers = {"Content-Type": f"{MEDIA_TYPES[Path(name).suffix]}; charset=utf-8", "Server": SERVER}
    return web.Response(body=content, headers=CIMultiDict(headers))


@cache
def _files() -> dict[str, bytes]:
    """Return the files by name."""
    folder = Path(__file__).with_name("ui")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in MEDIA_TYPES}
