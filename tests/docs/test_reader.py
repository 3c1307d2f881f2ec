"""The reader of the documentation believes nothing: a page that is wrong in one place is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver import ContractError
from tests.docs.markdown import blocks
from tests.docs.reader import reading, same

URL = "http://127.0.0.1:8207"
SEND = f"""```console
curl --silent {URL}/v1/events/batch -H 'X-API-Key: wrk_x' -d '{{}}'
```
"""
FALSE = {
    "a command fails": "```console\nfalse\n```\n",
    "one of several fails": "```sh\nfalse\ntrue\n```\n",
    "a text is not printed": "```console\necho one two\n```\n\n```text\none three\n```\n",
    "an order is wrong": "```console\necho one two\n```\n\n```text\ntwo…one\n```\n",
    "a reply lacks a member": SEND + '\n```json\n{"error": {"code": "…", "message": "…"}}\n```\n',
    "a reply is another": SEND + '\n```json\n{"accepted": 0, "rejected": 0}\n```\n',
    "a server does not start": "```console\nmockserver serve --revision outlit=r0 2>/dev/null\n```\n",
    "a script raises": "```python\nraise SystemExit(1)\n```\n",
    "a test fails": "```python\ndef test_x(mock_server):\n    assert mock_server.events()\n```\n",
    "nobody runs a file of tests": "`test_x.py`:\n\n```python\ndef test_x():\n    pass\n```\n\n```console\ntrue\n```\n",
    "a patch leads nowhere": "```yaml\nprotocol: outlit\npatch: {protocol: {limits: {nothing: 1}}}\n```\n",
    "YAML has an anchor": "```yaml\na: &b 1\n```\n",
    "JSON is not JSON": '```json\n{"a": 1,}\n```\n',
    "a language has no reader": "```ruby\nputs 1\n```\n",
}


@pytest.mark.parametrize("text", FALSE.values(), ids=FALSE)
def test_page_is_found_out_when_it_is_wrong(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with reading(tmp_path) as reader, pytest.raises((AssertionError, ValueError, ContractError)):
        reader.read(list(blocks(page)))


def test_page_is_true_when_each_server_in_it_is_the_one_that_answers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    first, second = (f"curl --silent {URL}/_mock/sessions/pk_x/{what}\n" for what in ("requests", "clock"))
    page.write_text(
        f"```console\npip install . && mockserver serve &\n{first}```\n\n"
        '```json\n{"requests": [], "next": null}\n```\n\n'
        f"```console\nMOCKSERVER_SERVE_LOG_LEVEL=error mockserver serve --port 0\n```\n\n```sh\n{second}```\n\n"
        '```json\n{"now": "…", "offset_ms": 0, "frozen": false, "real_now": "…"}\n```\n'
    )
    with reading(tmp_path) as reader:
        reader.read(list(blocks(page)))
        assert reader.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("claim", "printed"), [({"a": 1}, {"a": True}), ([1], [1, 2]), ({"a": "…"}, {}), (1, "1")])
def test_documents_differ_when_a_member_does(claim: object, printed: object) -> None:
    assert not same(claim, printed)
