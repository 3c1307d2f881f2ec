"""Responses of a published document: one for each status, with everything that can be answered with it."""

from __future__ import annotations

from typing import Any

from mockserver.contract import publish
from mockserver.contract.library import Patch, library

SOURCE = "assumed: for a test"


def responses(protocol: str, path: str, patch: Any = None) -> Any:
    patches = [] if patch is None else [Patch(name="test", patch={"protocol": patch})]
    document = publish.openapi(library().protocol(protocol).contract(None, patches))
    (spec,) = document["paths"][path].values()
    return spec["responses"]


def test_each_says_for_which_reasons_it_is_given() -> None:
    found = responses("whisperr", "/v1/users/{external_id}")
    assert found["404"]["description"].startswith("Not Found: ")
    assert found["408"]["description"] == "Request Timeout: the body did not arrive before the deadline"
    assert list(found) == sorted(found)


def test_headers_are_those_of_the_rate_limit_and_of_the_reply() -> None:
    assert set(responses("apex", "/api/events")["429"]["headers"]) == {"Retry-After"}
    limited = responses("outlit", "/api/i/v1/{publicKey}/events")
    assert all("X-RateLimit-Limit" in response["headers"] for response in limited.values())
    assert "headers" not in responses("outlit", "/api/i/v1/{publicKey}/bootstrap")["200"]


def test_reply_that_is_no_json_is_a_text() -> None:
    (content,) = responses("apex", "/api/apex-js")["200"]["content"].items()
    assert content == ("application/javascript", {"schema": {"type": "string"}})


def test_status_with_two_bodies_and_without_a_phrase_of_its_own() -> None:
    refusals = {"ingest": {"origin_not_allowed": {"status": 499, "shape": "overview", "source": SOURCE}}}
    reply = {"none_processed": {"status": 499, "source": SOURCE}}
    found = responses("outlit", "/api/i/v1/{publicKey}/events", {"refusals": refusals, "replies": reply})
    assert found["499"]["description"] == "499: none_processed, origin_not_allowed"
    (media,) = found["499"]["content"].values()
    assert [option["$ref"].rpartition("/")[2] for option in media["schema"]["anyOf"]] == [
        "IngestReply",
        "OverviewReply",
    ]
