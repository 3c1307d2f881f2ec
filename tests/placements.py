"""Places in which a client may send a secret by mistake, as the bytes that it sends."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LIKE_A_KEY: Final = "pk_live_S3CRET7Qx"
"""A secret that begins like a key of a contract."""
OPAQUE: Final = "Zk9hQ2mX7/pLw4sT8"
"""A secret that only its place or its name gives away; as a part of a pointer, it is escaped."""

JSON: Final = {"Content-Type": "application/json"}
WHISPERR: Final = "/v1/events/batch"
APEX: Final = "/api/events"
APEX_SERVER: Final = "/api/v1/events"
EVENT: Final = {"type": "click", "url": "/", "visitorId": "v"}
OUTLIT: Final = {"type": "pageview", "url": "https://a.example/", "path": "/", "timestamp": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it is sent; `key` is the credential of one before it, where the place alone gives nothing away.

    With `bare` the path has no session before it, and what is `unread` is in none. `control` are calls on the session,
    each a method, a path, a body.
    """

    method: str = "POST"
    path: str = WHISPERR
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"events": []}'
    key: str | None = None
    bare: bool = False
    control: tuple[tuple[str, str, Any], ...] = ()
    version: str = "HTTP/1.1"
    unread: bool = False

    def raw(self, prefix: str) -> bytes:
        """Return the bytes of the request in a session."""
        path = self.path if self.bare else f"{prefix}{self.path}"
        headers = {"Host": "localhost", "Connection": "close", "Content-Length": len(self.body), **JSON, **self.headers}
        lines = [f"{self.method} {path} {self.version}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def percent(text: str, form: str = "%{:02x}") -> str:
    return "".join(form.format(byte) for byte in text.encode())


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def quoted(text: str) -> str:
    """Return a text as a path, a query or a cookie holds it."""
    return text.replace("/", "%2F")


def apex(secret: str, **members: Any) -> bytes:
    return json.dumps({"projectKey": secret, "events": [EVENT], **members}).encode()


def track(**members: Any) -> bytes:
    event = {"event_type": "paid", "external_user_id": "u", "context": {"$message_id": "m"}, **members}
    return json.dumps({"events": [event]}).encode()


PATHS: Final[Mapping[str, Callable[[str], Sent]]] = {
    "path": lambda s: Sent(path=f"/api/i/v1/{quoted(s)}/events", body=json.dumps({"events": [OUTLIT]}).encode()),
    "path in lower hex": lambda s: Sent(path=f"/api/i/v1/{percent(s)}/events"),
    "path in upper hex": lambda s: Sent(path=f"/api/i/v1/{percent(s, '%{:02X}')}/events"),
    "path encoded twice": lambda s: Sent(path=f"/api/i/v1/{percent(s, '%25{:02x}')}/events"),
    "path with two slashes": lambda s: Sent(path=f"//api/i/v1/{quoted(s)}/events"),
    "path with a slash at the end": lambda s: Sent(path=f"/api/i/v1/{quoted(s)}/events/"),
    "mistyped path": lambda s: Sent(path=f"/api/i/v1/{quoted(s)}/event"),
    "path of another version": lambda s: Sent(path=f"/api/i/v2/{quoted(s)}/events"),
    "path and wrong method": lambda s: Sent(method="PUT", path=f"/api/i/v1/{quoted(s)}/events"),
    "bootstrap": lambda s: Sent(method="GET", path=f"/api/i/v1/{quoted(s)}/bootstrap", body=b""),
    "preflight": lambda s: Sent(
        method="OPTIONS",
        path=f"/api/i/v1/{quoted(s)}/events",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
        body=b"",
    ),
    "preflight of a mistyped path": lambda s: Sent(
        method="OPTIONS",
        path=f"/api/i/v1/{quoted(s)}/evnts",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
        body=b"",
    ),
    "name of the session": lambda s: Sent(path=f"/_mock/s/{quoted(s)}{WHISPERR}", bare=True),
    "path that nobody serves": lambda s: Sent(path=f"/nowhere/{quoted(s)}/x", bare=True, unread=True),
    "query that nobody serves": lambda s: Sent(path=f"/nowhere?apiKey={quoted(s)}", bare=True, unread=True),
    "absolute target": lambda s: Sent(path=f"http://localhost/api/i/v1/{quoted(s)}/events", bare=True),
    "query": lambda s: Sent(path=f"{WHISPERR}?api_key={quoted(s)}"),
    "query with another name": lambda s: Sent(path=f"{APEX}?projectKey={quoted(s)}"),
    "query in hex": lambda s: Sent(path=f"{WHISPERR}?token={percent(s)}"),
    "nested query": lambda s: Sent(path=f"{WHISPERR}?a=1&auth[token]={quoted(s)}&b=2"),
    "query of a mistyped path": lambda s: Sent(path=f"/v1/event/batch?key={quoted(s)}"),
    "query with an escaped name": lambda s: Sent(path=f"{WHISPERR}?api%5Fkey={quoted(s)}"),
    "query after a comma": lambda s: Sent(path=f"{WHISPERR}?api_key=a,{quoted(s)}"),
    "query with a signature": lambda s: Sent(path=f"{WHISPERR}?sv=2024&sig={quoted(s)}"),
    "query with a passphrase": lambda s: Sent(path=f"{WHISPERR}?passphrase={quoted(s)}"),
    "Base64 of JSON in a query": lambda s: Sent(path=f"{WHISPERR}?data={quoted(b64(json.dumps({'apiKey': s})))}"),
    "matrix parameter": lambda s: Sent(path=f"{WHISPERR};api_key={quoted(s)}"),
}

HEADERS: Final[Mapping[str, Callable[[str], Sent]]] = {
    "X-API-Key": lambda s: Sent(headers={"X-API-Key": s}),
    "X-API-Key and refused": lambda s: Sent(headers={"X-API-Key": s}, body=b"{}"),
    "X-Project-Key": lambda s: Sent(headers={"X-Project-Key": s}),
    "Api-Key": lambda s: Sent(headers={"Api-Key": s}),
    "misspelt": lambda s: Sent(headers={"X-Api-Kye": s}),
    "bearer": lambda s: Sent(headers={"Authorization": f"Bearer {s}"}),
    "bearer in lower case": lambda s: Sent(headers={"authorization": f"bearer  {s}"}),
    "authorization without a scheme": lambda s: Sent(headers={"Authorization": s}),
    "basic user": lambda s: Sent(headers={"Authorization": f"Basic {b64(s + ':')}"}),
    "basic password": lambda s: Sent(headers={"Authorization": f"Basic {b64('user:' + s)}"}),
    "authorization with a tab": lambda s: Sent(headers={"Authorization": f"Bearer\t{s}"}, body=track(event_type=s)),
    "authorization with parameters": lambda s: Sent(
        headers={"Authorization": f'Digest username="u", response="{s}"'}, body=track(event_type=s)
    ),
    "authorization with a list": lambda s: Sent(headers={"Authorization": f"ApiKey {s}, b"}, body=track(event_type=s)),
    "cookie without a name": lambda s: Sent(headers={"Cookie": s}, body=track(event_type=s)),
    "Set-Cookie": lambda s: Sent(headers={"Set-Cookie": f"sid={s}; Path=/"}, body=track(event_type=s)),
    "password in Origin": lambda s: Sent(headers={"Origin": f"https://user:{quoted(s)}@a.example"}),
    "proxy": lambda s: Sent(headers={"Proxy-Authorization": f"Bearer {s}"}),
    "cookie": lambda s: Sent(headers={"Cookie": f"sid={s}"}),
    "cookie with blanks": lambda s: Sent(headers={"Cookie": f'a=1; sid="x {s} y"; b=2'}),
    "X-Mock-Session": lambda s: Sent(headers={"X-Mock-Session": s}, bare=True),
    "unknown header": lambda s: Sent(headers={"X-Whatever": f"a {s} b"}),
    "Referer": lambda s: Sent(headers={"Referer": f"https://a.example/?key={quoted(s)}"}),
    "Referer without a name": lambda s: Sent(headers={"Referer": f"https://a.example/{quoted(s)}"}),
    "User-Agent": lambda s: Sent(headers={"User-Agent": f"sdk/1 ({s})"}, key=s),
    "User-Agent with a name": lambda s: Sent(headers={"User-Agent": f"sdk/1 (key={s})"}),
    "Idempotency-Key": lambda s: Sent(path=APEX_SERVER, headers={"Idempotency-Key": s}, body=apex("x"), key=s),
    "Content-Type": lambda s: Sent(headers={"Content-Type": f"application/json; token={quoted(s)}"}),
    "Accept-Language": lambda s: Sent(headers={"Accept-Language": s}, key=s),
    "Origin": lambda s: Sent(headers={"Origin": f"https://{quoted(s)}.example"}, key=quoted(s)),
    "Content-Encoding": lambda s: Sent(headers={"Content-Encoding": quoted(s)}, key=quoted(s)),
    "Expect": lambda s: Sent(headers={"Expect": f"token={quoted(s)}"}),
}

BODIES: Final[Mapping[str, Callable[[str], Sent]]] = {
    "body": lambda s: Sent(path=APEX, body=apex(s)),
    "trailing comma": lambda s: Sent(path=APEX, body=apex(s)[:-1] + b",}"),
    "truncated": lambda s: Sent(path=APEX, body=apex(s)[:-9]),
    "truncated in the secret": lambda s: Sent(path=APEX, body=json.dumps({"projectKey": s}).encode()[:-2]),
    "snake case": lambda s: Sent(path=APEX, body=json.dumps({"project_key": s, "events": []}).encode()),
    "byte order mark": lambda s: Sent(path=APEX, body=b"\xef\xbb\xbf" + apex(s)),
    "UTF-16": lambda s: Sent(path=APEX, body=apex(s).decode().encode("utf-16")),
    "Latin-1 beside it": lambda s: Sent(path=APEX, body=apex(s) + b"\xe9"),
    "gzip": lambda s: Sent(path=APEX, body=gzip.compress(apex(s)), headers={"Content-Encoding": "gzip"}),
    "gzip without a label": lambda s: Sent(path=APEX, body=gzip.compress(apex(s))),
    "broken gzip": lambda s: Sent(path=APEX, body=gzip.compress(apex(s))[:-6], headers={"Content-Encoding": "gzip"}),
    "gzip of broken JSON": lambda s: Sent(
        path=APEX, body=gzip.compress(apex(s)[:-3]), headers={"Content-Encoding": "gzip"}
    ),
    "deflate": lambda s: Sent(path=APEX, body=zlib.compress(apex(s)), headers={"Content-Encoding": "deflate"}),
    "labelled as brotli": lambda s: Sent(path=APEX, body=apex(s), headers={"Content-Encoding": "br"}),
    "form": lambda s: Sent(
        path=APEX, body=f"type=click&projectKey={quoted(s)}".encode(), headers={"Content-Type": "text/plain"}
    ),
    "multipart": lambda s: Sent(
        path=APEX,
        body=f'--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{s}\r\n--b--\r\n'.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "multipart with a type": lambda s: Sent(
        path=APEX,
        body=(
            f'--b\r\nContent-Disposition: form-data; name="api_key"\r\nContent-Type: text/plain\r\n\r\n{s}\r\n--b--\r\n'
        ).encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "form with an escaped name": lambda s: Sent(path=APEX, body=f"a=1&api%5Fkey={quoted(s)}".encode()),
    "broken JSON with an escaped name": lambda s: Sent(
        path=APEX, body=b'{"\\u0061pi\\u005fkey": "' + s.encode() + b'", "events": ['
    ),
    "broken JSON with a list": lambda s: Sent(path=APEX, body=b'{"headers":{"X-Api-Key":["' + s.encode() + b'"]},'),
    "broken JSON with an object": lambda s: Sent(path=APEX, body=b'{"auth":{"value":"' + s.encode() + b'"},'),
    "broken JSON with a quotation mark": lambda s: Sent(path=APEX, body=b'{"api_key": "a\\"b' + s.encode() + b'",'),
    "Base64 of JSON": lambda s: Sent(path=APEX, body=b64(json.dumps({"projectKey": s, "events": []})).encode()),
    "Base64 of JSON in a form": lambda s: Sent(path=APEX, body=f"data={b64(json.dumps({'projectKey': s}))}".encode()),
    "YAML": lambda s: Sent(path=APEX, body=f"projectKey: a{{{s}\nevents: []\n".encode()),
    "XML with an attribute": lambda s: Sent(path=APEX, body=f'<a><apiKey type="x">{s}</apiKey></a>'.encode()),
    "XML with CDATA": lambda s: Sent(path=APEX, body=f"<a><apiKey><![CDATA[{s}]]></apiKey></a>".encode()),
    "XML": lambda s: Sent(path=APEX, body=f"<a><apiKey>{s}</apiKey></a>".encode()),
    "two lines of JSON": lambda s: Sent(path=APEX, body=apex("x") + b"\n" + apex(s)),
    "escapes of JSON": lambda s: Sent(
        path=APEX, body=b'{"projectKey":"%s","events":[]}' % percent(s, "\\u00{:02x}").encode()
    ),
    "escaped slash": lambda s: Sent(path=APEX, body=apex(s).replace(b"/", b"\\/")),
    "JSON in a string": lambda s: Sent(body=track(properties={"raw": json.dumps({"apiKey": s})})),
    "mistyped path with a key in the body": lambda s: Sent(path="/api/event", body=apex(s)),
    "key of another vendor in the body": lambda s: Sent(body=json.dumps({"api_key": s, "events": []}).encode()),
    "too large": lambda s: Sent(path=APEX, body=apex(s, pad="x" * 6_000_000)),
}

EVENTS: Final[Mapping[str, Callable[[str], Sent]]] = {
    "trait": lambda s: Sent(
        path="/v1/identify", body=json.dumps({"external_user_id": 7, "traits": {"api_key": s}}).encode()
    ),
    "nested property": lambda s: Sent(body=track(event_type="No", properties={"a": [{"auth": {"value": s}}]})),
    "list of tokens": lambda s: Sent(body=track(event_type="No", properties={"tokens": ["a", s]})),
    "name of a member": lambda s: Sent(body=track(event_type="No", properties={s: 1}), key=s),
    "unknown member": lambda s: Sent(body=track(**{f"a/{s}": 1}), key=s),
    "event id": lambda s: Sent(body=track(context={"$message_id": s}), key=s),
    "event type": lambda s: Sent(body=track(event_type=s), key=s),
    "user id": lambda s: Sent(body=track(external_user_id=s, occurred_at="never"), key=s),
    "value that is refused": lambda s: Sent(body=track(occurred_at=s), key=s),
    "Base64": lambda s: Sent(body=track(event_type="No", properties={"a": b64(s)}), key=s),
    "Base64 of more": lambda s: Sent(body=track(event_type="No", properties={"a": b64(f"user:{s}:x")}), key=s),
    "Base64 for URLs": lambda s: Sent(
        body=track(event_type="No", properties={"a": base64.urlsafe_b64encode(f"a:{s}".encode()).decode()}), key=s
    ),
    "hex in a value": lambda s: Sent(body=track(event_type="No", properties={"a": percent(s)}), key=s),
    "URL in a value": lambda s: Sent(body=track(event_type=f"https://a.example/?token={quoted(s)}")),
    "header in a value": lambda s: Sent(body=track(event_type=f"Authorization: Bearer {s}")),
    "headers as objects": lambda s: Sent(
        body=track(event_type="No", properties={"headers": [{"name": "Authorization", "value": f"Bearer {s}"}]})
    ),
    "headers as pairs": lambda s: Sent(body=track(event_type="No", properties={"headers": [["X-Api-Key", s]]})),
    "form fields as objects": lambda s: Sent(
        path="/api/i/v1/x/events",
        body=json.dumps(
            {"events": [{**OUTLIT, "type": "form", "formFields": [{"name": "password", "value": s}]}]}
        ).encode(),
    ),
    "numbered name": lambda s: Sent(body=track(event_type="No", properties={"apiKey2": s})),
    "name with a suffix": lambda s: Sent(body=track(event_type="No", properties={"api_key_value": s})),
    "name in one word": lambda s: Sent(body=track(event_type="No", properties={"sessiontoken": s, "secretkey": s})),
    "scheme in a value": lambda s: Sent(body=track(event_type=f"Bearer {s}")),
    "flag in a value": lambda s: Sent(body=track(event_type=f"run --api-key {s} --x")),
    "password of a URL in a value": lambda s: Sent(body=track(event_type=f"https://user:{quoted(s)}@a.example/")),
    "user of a URL in a value": lambda s: Sent(body=track(event_type=f"https://{quoted(s)}@a.example/")),
    "end of a long value": lambda s: Sent(body=track(event_type=f"{'x ' * 30}{s}"), key=s),
    "far in a long value": lambda s: Sent(body=track(event_type=f"{'x ' * 300}{s}"), key=s),
    "single event": lambda s: Sent(path="/v1/events/track", body=json.dumps({"event_type": s, "token": s}).encode()),
    "Outlit property": lambda s: Sent(
        path="/api/i/v1/x/events",
        body=json.dumps(
            {"events": [{**OUTLIT, "type": "custom", "eventName": 5, "properties": {"secret": s}}]}
        ).encode(),
    ),
}

SETTINGS: Final[Mapping[str, Callable[[str], Sent]]] = {
    "allowed key": lambda s: Sent(body=track(event_type=s), control=(("PATCH", "", {"keys": [s]}),)),
    "credential of the session": lambda s: Sent(
        body=track(event_type=s), control=(("PATCH", "", {"credentials": [s]}),)
    ),
    "fault step": lambda s: Sent(
        key=s, control=(("POST", "/faults", {"match": {"where": {"/a": s}}, "reply": {"status": 500}}),)
    ),
    "fault step that was used": lambda s: Sent(
        key=s, control=(("POST", "/faults", {"match": {}, "times": 2, "reply": {"status": 500, "body": s}}),)
    ),
}

ONLY_LIKE_A_KEY: Final[Mapping[str, Callable[[str], Sent]]] = {
    "method": lambda s: Sent(method=s, unread=True),
    "HTTP version": lambda s: Sent(version=f"HTTP/{s}", unread=True),
    "name of a header": lambda s: Sent(headers={s: "x"}),
    "user information": lambda s: Sent(path=f"http://{s}@localhost{WHISPERR}", bare=True, unread=True),
    "value without a name": lambda s: Sent(body=track(event_type=f"see {s}")),
    "fragment": lambda s: Sent(path=f"{WHISPERR}#{s}"),
    "Base64 without a name": lambda s: Sent(body=track(event_type=b64(f"user: {s} and more"))),
}


def placements() -> Iterator[tuple[str, str, Sent]]:
    """Yield each place with a secret in it: its name, the secret and the request."""
    for group, places in {
        "": PATHS,
        "header: ": HEADERS,
        "body: ": BODIES,
        "event: ": EVENTS,
        "set: ": SETTINGS,
    }.items():
        for name, place in places.items():
            for secret in (LIKE_A_KEY, OPAQUE):
                yield f"{group}{name}", secret, place(secret)
    for name, place in ONLY_LIKE_A_KEY.items():
        yield name, LIKE_A_KEY, place(LIKE_A_KEY)
