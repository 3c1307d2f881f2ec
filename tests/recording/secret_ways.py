"""Ways in which a client carries a key or a person to the server, each with the texts that nobody may read later."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.server.raw import Headers, Plain

KEY = "wrk_S3cr3tKey77"
OTHER = "Zx9SecretValue42"
PUBLIC = "pk_S3cr3tKey88"
MAIL = "ada.lovelace@corp.example"
NAME = "Ada Lovelace"
PHONE = "+4915112345678"
UID = "usr-8842-ada"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


class Way(NamedTuple):
    """A request, and what must not be in its recording; `chunked` says how it is sent."""

    request: Plain
    hidden: tuple[str, ...]
    chunked: bool = False


def event(**members: Any) -> dict[str, Any]:
    given = {"external_user_id": "user_1", "event_type": "paid", "context": {"$message_id": "m1"}, **members}
    return {name: member for name, member in given.items() if member is not None}


def batch(
    *hidden: str, headers: Mapping[str, str] | None = None, query: str = "", body: bytes | None = None, **members: Any
) -> Way:
    """A Whisperr batch under the key."""
    content = json.dumps({"events": [event(**members)]}).encode() if body is None else body
    given: Headers = (("Content-Type", "application/json"), *({"X-API-Key": KEY} | dict(headers or {})).items())
    return Way(Plain(path=f"/v1/events/batch{query}", headers=given, body=content), (KEY, *hidden))


def identify(*hidden: str, **members: Any) -> Way:
    body = json.dumps({"external_user_id": "user_1", **members}).encode()
    headers = (("Content-Type", "application/json"), ("X-API-Key", KEY))
    return Way(Plain(path="/v1/identify", headers=headers, body=body), (KEY, *hidden))


def outlit(*hidden: str, path: str = f"/api/i/v1/{PUBLIC}/events", body: Any = None, **members: Any) -> Way:
    sent = {"type": "pageview", "url": "https://a.example/", "path": "/", **members}
    content = {"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "events": [sent]} if body is None else body
    headers = (("Content-Type", "application/json"),)
    return Way(Plain(path=path, headers=headers, body=json.dumps(content).encode()), (PUBLIC, *hidden))


def properties(*hidden: str, **members: Any) -> Way:
    return batch(*hidden, properties=members)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SENT = json.dumps({"events": [event(properties={"api_key": OTHER, "mail": MAIL})]})

WAYS: dict[str, Way] = {
    "header": batch(),
    "bearer token": batch(OTHER, headers={"Authorization": f"Bearer {OTHER}"}),
    "basic credentials": batch(
        OTHER, encoded(f"ada:{OTHER}"), headers={"Authorization": f"Basic {encoded(f'ada:{OTHER}')}"}
    ),
    "proxy credentials": batch(OTHER, headers={"Proxy-Authorization": f"Basic {OTHER}"}),
    "first cookie": batch(OTHER, headers={"Cookie": f"sid={OTHER}; theme=dark"}),
    "cookie in the middle": batch(OTHER, headers={"Cookie": f"theme=dark; sid={OTHER}; lang=en"}),
    "last cookie": batch(OTHER, headers={"Cookie": f"theme=dark; sid={OTHER}"}),
    "cookie without a name": batch(OTHER, headers={"Cookie": OTHER}),
    "header with a telling name": batch("hunter2", headers={"X-Project-Key": "hunter2"}),
    "header of any name": batch(OTHER, headers={"X-Anything": OTHER}),
    "address in a header": batch("198.51.100.77", headers={"X-Forwarded-For": "198.51.100.77"}),
    "referer": batch(OTHER, MAIL, headers={"Referer": f"https://a.example/?token={OTHER}&mail={MAIL}"}),
    "origin with a password": batch(OTHER, headers={"Origin": f"https://ada:{OTHER}@a.example"}),
    "user agent": batch(headers={"User-Agent": f"app/1.0 ({KEY})"}),
    "query by its name": batch(OTHER, query=f"?api_key={OTHER}"),
    "short query by its name": batch("hunter2", query="?password=hunter2&v=1"),
    "percent-encoded query": batch(OTHER, "%53ecret", query=f"?api_key={OTHER.replace('S', '%53')}"),
    "e-mail in a query": batch(MAIL, MAIL.replace("@", "%40"), query=f"?who={MAIL.replace('@', '%40')}"),
    "path": outlit(),
    "percent-encoded path": outlit("%53", path=f"/api/i/v1/{PUBLIC.replace('S', '%53')}/events"),
    "path that is not served": outlit(path=f"/api/i/v1/{PUBLIC}/unknown"),
    "user id in a path": Way(
        Plain(method="GET", path="/v1/users/adalovelace", headers=(("X-API-Key", KEY),)), (KEY, "adalovelace")
    ),
    "person in a query": Way(
        Plain(
            method="GET", path="/api/identity/lookup?visitorId=adalovelace", headers=(("x-api-key", "apex_sk_S3cr3t9"),)
        ),
        ("apex_sk_S3cr3t9",),
    ),
    "JSON member": properties(OTHER, api_key=OTHER),
    "short JSON member": properties("hunter2", password="hunter2"),
    "nested JSON member": properties(OTHER, a={"b": [{"authToken": OTHER}]}),
    "list below a JSON member": properties(OTHER, "hunter2", secrets=[OTHER, {"x": "hunter2"}]),
    "name and value": properties(OTHER, headers=[{"name": "X-Api-Key", "value": OTHER}]),
    "pair": properties(OTHER, headers=[["X-Api-Key", OTHER]]),
    "sentence": properties(note=f"the key is {KEY}, keep it"),
    "name of a member": properties(**{KEY: 1, f"for {MAIL}": 2, "mail": MAIL}),
    "password in a URL": properties(OTHER, url=f"https://ada:{OTHER}@a.example/"),
    "token in a URL": properties(OTHER, url=f"https://a.example/?access_token={OTHER}"),
    "JWT": properties(JWT, session=JWT),
    "Base64": properties(encoded(f"key={KEY}"), blob=encoded(f"key={KEY}")),
    "key of another protocol": properties(PUBLIC, note=PUBLIC),
    "escapes": batch(OTHER, "\\u0053", body=SENT.replace("S", "\\u0053").encode()),
    "gzip body": batch(OTHER, MAIL, body=gzip.compress(SENT.encode()), headers={"Content-Encoding": "gzip"}),
    "deflate body": batch(OTHER, MAIL, body=zlib.compress(SENT.encode()), headers={"Content-Encoding": "deflate"}),
    "body that is not what it says": batch(OTHER, MAIL, body=SENT.encode(), headers={"Content-Encoding": "gzip"}),
    "encoding that nobody knows": batch(OTHER, MAIL, body=SENT.encode(), headers={"Content-Encoding": "br"}),
    "chunked body": batch(OTHER, MAIL, body=SENT.encode())._replace(chunked=True),
    "body that breaks off": batch(OTHER, MAIL, NAME, body=f'{SENT[:-3]}, "traits": {{"name": "{NAME}'.encode()),
    "byte order mark": batch(OTHER, MAIL, body=b"\xef\xbb\xbf" + SENT.encode()),
    "UTF-16": batch(OTHER, MAIL, SENT.encode("utf-16")[40:60].hex(), body=SENT.encode("utf-16")),
    "form": batch(OTHER, MAIL, "%40corp", body=f"api_key={OTHER}&mail={MAIL.replace('@', '%40')}".encode()),
    "multipart": batch(
        OTHER, body=f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{OTHER}\r\n--b--'.encode()
    ),
    "member that a later one shadows": batch(
        MAIL,
        body=SENT.replace(
            '"external_user_id": "user_1"', f'"external_user_id": "{MAIL}", "external_user_id": "u"'
        ).encode(),
    ),
    "e-mail in traits": identify(MAIL, traits={"email": MAIL}),
    "name in traits": identify(NAME, "Ada", traits={"name": NAME, "first": "Ada"}),
    "number in traits": identify("536221849", traits={"ssn": 536221849}),
    "deep traits": identify(NAME, "Byron", traits={"family": [{"who": NAME, "born": {"as": "Byron"}}]}),
    "phone of a channel": identify(PHONE, channels=[{"channel": "sms", "address": PHONE}]),
    "phone in an event": batch(PHONE, user={"channels": [{"channel": "sms", "address": PHONE}]}),
    "user id that is a word": batch("adalovelace", external_user_id="adalovelace"),
    "user id that is an e-mail": batch(MAIL, external_user_id=MAIL),
    "address in an event": properties(
        "203.0.113.250", "2a00:1450:4001::65", ip="203.0.113.250", ip6="2a00:1450:4001::65"
    ),
    "form fields": outlit(
        NAME, MAIL, "Analytical", type="form", formId="f", formFields={"name": NAME, "mail": MAIL, "free": "Analytical"}
    ),
    "e-mail in the URL of a page": outlit(
        MAIL, MAIL.replace("@", "%40"), url=f"https://a.example/?e={MAIL.replace('@', '%40')}"
    ),
    "invitee": outlit(NAME, MAIL, type="calendar", provider="calendly", inviteeName=NAME, inviteeEmail=MAIL),
    "visitor": outlit("a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
    "digest credentials": batch(OTHER, headers={"Authorization": f'Digest username="ada", response="{OTHER}"'}),
    "quoted cookie": batch(OTHER, headers={"Cookie": f'a=b; sid="{OTHER}"'}),
    "name of a header": batch(UID, headers={f"X-{KEY}": "1", f"X-{UID}": "1"}, external_user_id=UID),
    "parameter of a content type": batch(OTHER, headers={"Content-Type": f"application/json; token={OTHER}"}),
    "short password in a user agent": batch("hunter2", headers={"User-Agent": "cli/1 password=hunter2"}),
    "query that is encoded twice": batch(OTHER, MAIL, query=f"?q={quote(quote(f'api_key={OTHER}&m={MAIL}'))}"),
    "query with semicolons": batch(OTHER, query=f"?a=1;token={OTHER};b=2"),
    "path with parameters": outlit(OTHER, path=f"/api/i/v1/{PUBLIC}/events;token={OTHER}"),
    "type of an event": batch(event_type=KEY),
    "type of an event that is an e-mail": batch(MAIL, event_type=MAIL),
    "id of a message": batch(MAIL, context={"$message_id": MAIL}),
    "number below a secret name": properties("48151623", password=48151623),
    "number of a user": batch(
        "88421", external_user_id="88421", properties={"uid": 88421, "url": "https://a.example/88421"}
    ),
    "JSON in JSON": properties(OTHER, MAIL, text=json.dumps({"api_key": OTHER, "mail": MAIL})),
    "JSON in JSON in JSON": properties(OTHER, MAIL, text=json.dumps(json.dumps({"api_key": OTHER, "mail": MAIL}))),
    "escapes in JSON in JSON": batch(
        "u0040",
        "u0038",
        external_user_id=UID,
        properties={"text": json.dumps({"mail": MAIL, "id": UID}).replace("@", "\\u0040").replace("8", "\\u0038")},
    ),
    "Base64 with an e-mail": properties(encoded(f'{{"mail":"{MAIL}"}}'), blob=encoded(f'{{"mail":"{MAIL}"}}')),
    "Base64 of URLs with a user id": batch(
        encoded(f"user={UID};x=1"), external_user_id=UID, properties={"blob": encoded(f"user={UID};x=1")}
    ),
    "Base64 of what gzip compressed": properties(
        base64.b64encode(gzip.compress(MAIL.encode(), mtime=0)).decode(),
        blob=base64.b64encode(gzip.compress(MAIL.encode(), mtime=0)).decode(),
    ),
    "hexadecimal digits": properties(KEY.encode().hex(), text=KEY.encode().hex()),
    "key in capitals": properties(KEY.upper(), text=KEY.upper()),
    "shell": properties(OTHER, "hunter2", text=f"API_KEY={OTHER} curl ftp://ada:hunter2@a.example"),
    "XML": properties(OTHER, text=f"<auth><token>{OTHER}</token></auth>"),
    "HTML": properties(OTHER, text=f'<input type="hidden" name="csrf_token" value="{OTHER}">'),
    "YAML": properties(OTHER, text=f"db:\n  password: {OTHER}\n  host: a"),
    "e-mail in capitals": properties(MAIL.upper(), text=MAIL.upper()),
    "e-mail in letters of other languages": properties("ädä", "bücher", text="to ädä@corp.example, bo@bücher.example"),
    "phone in a sentence": properties("1234 5678", "555-2671", text="call +49 151 1234 5678 or (415) 555-2671"),
    "phone in a URL": properties(
        "4915112345678", url="tel:+4915112345678", web="https://a.example/?p=%2B4915112345678"
    ),
    "address with a port": properties("198.51.100.77", text="http://198.51.100.77:8080/ and 198.51.100.77/24"),
    "address of version 6 in a URL": properties("2a00:1450", text="http://[2a00:1450:4001::65]:80/"),
    "user id in a sentence": batch(
        "adalovelace", external_user_id="adalovelace", properties={"text": "hi adalovelace!"}
    ),
    "private key": properties(
        "MIIEvQIBADANBg",
        "Qm9vbTEyMw",
        text="x -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nQm9vbTEyMw\n-----END PRIVATE KEY-----",
    ),
    "tokens that everybody knows": properties(
        "AKIAIOSFODNN7EXAMPLE",
        "16C7e42F292c6912E7710c838347Ae178B4a",
        "4eC39HqLyjWDarjtT1zdp7dc",
        text="AKIAIOSFODNN7EXAMPLE ghp_16C7e42F292c6912E7710c838347Ae178B4a sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    ),
    "type and value": properties("hunter2", login={"type": "password", "value": "hunter2"}),
    "assigned with an arrow": properties("hunter2", text="api_key => hunter2"),
    "user id in capitals": batch(
        "8D6C0B6E-1111",
        external_user_id="8d6c0b6e-1111-4222-8333-123456789abc",
        properties={"url": "https://a.example/8D6C0B6E-1111-4222-8333-123456789ABC"},
    ),
    "compressed body that is not valid": batch(
        OTHER, body=gzip.compress(SENT[:-3].encode()), headers={"Content-Encoding": "gzip"}
    ),
    "name in the URL of a page": outlit(
        NAME,
        "Ada%20Lovelace",
        body={
            "visitorId": "v",
            "userIdentity": {"email": MAIL, "traits": {"name": NAME}},
            "events": [{"type": "pageview", "url": "https://a.example/?n=Ada%20Lovelace", "path": "/"}],
        },
    ),
    "short user id in a sentence": batch("hi bob", external_user_id="bob", properties={"text": "hi bob!"}),
}
