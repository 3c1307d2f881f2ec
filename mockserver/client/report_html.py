"""The verdict for a session as one HTML file: no scripts, nothing from elsewhere, event data shown as text only."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, Final

from mockserver.client import delivery_lanes, score_report, text
from mockserver.client.results import Event, Exchange, Request, RuleScore
from mockserver.client.session_report import EVIDENCE, INJECTED, RepeatedWarning, Report, is_odd
from mockserver.core import wording
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable, printable_json

MOST_ROWS: Final = 200
"""Refused events, requests and warnings that are shown of each; the others are counted."""
SHOWN_VALUE: Final = 4_000
"""Characters of a value; more of one event helps nobody to see what is wrong with it."""
SHOWN_TEXT: Final = 600
SHOWN_NAME: Final = 80
REFUSING: Final = 400

STYLE: Final = f"""
:root{{color-scheme:light dark;--page:#fff;--text:#1b1f24;--muted:#57606a;--line:#d0d7de;--box:#f6f8fa;--good:#1a7f37;
--bad:#c22a30;--odd:#8a5a00;--fault:#6639ba;--code:#f0f2f4}}
@media(prefers-color-scheme:dark){{:root{{--page:#0d1117;--text:#e6edf3;--muted:#9aa4af;--line:#30363d;--box:#161b22;
--good:#4ac26b;--bad:#ff7b72;--odd:#e3a83b;--fault:#c4a1ff;--code:#1f2630}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif}}
main{{max-width:72rem;margin:0 auto;padding:1rem 1.25rem 3rem;overflow-wrap:anywhere}}
h1{{font-size:1.5rem;line-height:1.25;margin:.5rem 0;overflow-wrap:anywhere}}
h2{{font-size:1.125rem;margin:2rem 0 .5rem}}
h3{{font-size:1rem;margin:0;overflow-wrap:anywhere}}
p{{margin:.25rem 0}}.muted{{color:var(--muted)}}
code,pre{{font:.875em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}}
pre{{background:var(--code);padding:.75rem;margin:.5rem 0;white-space:pre-wrap;border-radius:4px}}
.verdict{{display:inline-block;padding:.125rem .625rem;border-radius:4px;border:2px solid;font-weight:700}}
.passed{{color:var(--good)}}.failed-verdict,.bad{{color:var(--bad)}}.odd{{color:var(--odd)}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.5rem;margin:1rem 0;padding:0}}
.tiles div{{background:var(--box);border:1px solid var(--line);border-radius:4px;padding:.5rem .75rem}}
.tiles dt{{color:var(--muted);font-size:.875rem}}.tiles dd{{margin:0;font-size:1.375rem;font-weight:600}}
.item{{border:1px solid var(--line);border-left:4px solid var(--bad);border-radius:4px;padding:.625rem .875rem;
margin:.5rem 0}}
.finding{{margin:.375rem 0 0;padding:0;list-style:none}}
dl.facts{{display:grid;grid-template-columns:max-content 1fr;gap:0 .75rem;margin:.25rem 0;font-size:.875rem}}
dl.facts dt{{color:var(--muted)}}dl.facts dd{{margin:0;overflow-wrap:anywhere;min-width:0}}
.scroll{{overflow-x:auto;border:1px solid var(--line);border-radius:4px}}
table{{border-collapse:collapse;width:100%;font-size:.875rem}}
th,td{{text-align:left;vertical-align:top;padding:.375rem .625rem;border-top:1px solid var(--line)}}
td{{white-space:nowrap}}td.name{{white-space:normal;min-width:8rem}}
thead th{{border-top:0;background:var(--box);white-space:nowrap}}
td.wide{{white-space:normal;min-width:14rem}}
summary{{cursor:pointer;padding:.125rem 0}}
summary:focus-visible,.scroll:focus-visible{{outline:2px solid var(--fault);outline-offset:2px}}
@media print{{:root{{font-size:75%}}details::details-content{{content-visibility:visible;display:block}}
details:not([open])>:not(summary){{display:block}}.item,tr,.lane{{break-inside:avoid}}h2{{break-after:avoid}}
.scroll{{overflow:visible}}td.name{{min-width:4rem;overflow-wrap:break-word}}td.wide{{min-width:0}}}}
{delivery_lanes.STYLE}"""

POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)
"""What the page may do: use its own style sheet, and nothing else."""


def html(report: Report) -> str:
    """Return the report as a document of its own."""
    title = f"mockserver: session {report.name}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(_parts(report))
        + "\n</main>\n</body>\n</html>\n"
    )


def _parts(report: Report) -> Iterator[str]:
    kind, word = ("failed-verdict", "failed") if report.failures else ("passed", "passed")
    yield f'<p><span class="verdict {kind}">{word}</span></p>'
    yield f"<h1>Session {_text(report.name)}</h1>"
    yield f'<p class="muted">{_text(report.url)}{_when(report.requests)}</p>'
    if report.failures:
        yield f'<p class="bad">{_text(report.verdict.partition(": ")[2])}</p>'
    yield _tiles(report)
    missing = [line for failure in report.failures if failure.case == EVIDENCE for line in failure.lines]
    if missing:
        lines = "".join(f"<p>{_text(line)}</p>" for line in missing)
        yield f'<h2>Missing evidence</h2><div class="item">{lines}</div>'
    yield from _section("Refused events", map(_refused_event, report.refused), len(report.refused))
    yield from _section(
        "Refused requests", map(_refused_request, report.refused_requests), len(report.refused_requests)
    )
    if report.deliveries:
        yield f'<h2>Deliveries</h2><p class="muted">{_text(_counts(report.fates))}{_flags(report)}</p>'
        yield delivery_lanes.SHAPES + delivery_lanes.picture(report.deliveries, report.verdicts, is_odd)
    if report.score is not None:
        heads = ("Verdict", "Protocol", "Rule", "Level", "A client", "Why")
        yield from _table("Rules about clients", heads, map(_rule, report.score.rules))
    yield from _table("Warnings", ("About", "Warning", "Rule", "Times", "First"), map(_warning, report.warnings))
    for step in report.unused_faults:
        yield f"<p>{_text(text.unused_fault(step))}</p>"
    yield from _table(
        "Requests", ("Id", "Time", "Request", "Status", "Events", "Fault"), map(_request, report.requests)
    )


def _when(requests: Sequence[Request]) -> str:
    if not requests:
        return ""
    first, last = requests[0].received_at, requests[-1].received_at
    return f"; {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC"


def _counts(counted: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.items())


def _flags(report: Report) -> str:
    return f"; {_text(_counts(report.flags))}" if report.flags else ""


def _tiles(report: Report) -> str:
    counts = report.state.counts
    tiles = {
        "requests": counts.requests,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "rejected": counts.rejected,
        "warnings": sum(warning.count for warning in report.warnings),
        **({"refused by faults": report.injected} if report.injected else {}),
        **({"evicted requests": report.state.evicted} if report.state.evicted else {}),
    }
    inner = "".join(f"<div><dt>{name}</dt><dd>{count}</dd></div>" for name, count in tiles.items())
    return f'<dl class="tiles">{inner}</dl>'


def _section(title: str, items: Iterable[str], count: int) -> Iterator[str]:
    if count:
        yield f"<h2>{title} ({count})</h2>"
        yield from islice(items, MOST_ROWS)
        yield from _left_out(count)


def _left_out(count: int) -> Iterator[str]:
    if count > MOST_ROWS:
        yield f'<p class="muted">… and {count - MOST_ROWS} more</p>'


def _table(title: str, heads: Sequence[str], cells: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table; cells are HTML."""
    rows = list(cells)
    if not rows:
        return
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows[:MOST_ROWS])
    label = f'tabindex="0" role="region" aria-label="{title}"'
    yield f"<h2>{title} ({len(rows)})</h2>"
    yield f'<div class="scroll" {label}><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    yield from _left_out(len(rows))


def _rule(row: RuleScore) -> list[str]:
    verdict = score_report.WORDS[row.verdict]
    why = score_report.evidence(row) if row.verdict == "fail" else ""
    return [f"<td>{_text(cell)}</td>" for cell in (verdict, row.protocol, row.rule, row.level, row.text, why)]


def _refused_event(row: Event) -> str:
    where = f"{row.id} in {row.request_id}"
    title = wording.cut(f"{row.protocol} {row.operation or ''}: {row.type or 'no type'}", 2 * SHOWN_NAME)
    findings = [finding for finding in row.errors if finding.rule != INJECTED]
    value = f"<details><summary>The event as sent</summary><pre>{_json(row.event)}</pre></details>"
    return _item(title, where, findings, value)


def _refused_request(row: Exchange) -> str:
    findings = [finding for finding in row.findings if finding.severity == "error" and finding.rule != INJECTED]
    return _item(f"{row.method} {row.path} → {row.status or 'no reply'}", row.id, findings, "")


def _item(title: str, where: str, findings: Sequence[Finding], more: str) -> str:
    listed = "".join(map(_finding, findings))
    heading = f'<h3>{_text(title)} <small class="muted">{_text(where)}</small></h3>'
    return f'<section class="item">{heading}<ul class="finding">{listed}</ul>{more}</section>'


def _finding(row: Finding) -> str:
    facts = {"at": row.pointer, "expected": _value(row.expected), "got": _value(row.got), "rule": row.rule}
    facts["source"] = row.source
    pairs = "".join(
        f"<dt>{name}</dt><dd>{_text(fact) if name == 'source' else f'<code>{_text(fact)}</code>'}</dd>"
        for name, fact in facts.items()
        if fact
    )
    return f'<li>{_text(row.message)}<dl class="facts">{pairs}</dl></li>'


def _warning(row: RepeatedWarning) -> tuple[str, ...]:
    rule = f'<td class="wide"><code>{_text(row.rule)}</code><br>{_text(row.source)}</td>'
    message = f'<td class="wide">{_text(row.message)}</td>'
    about = f'<td class="name">{_text(wording.cut(" ".join(row.case), SHOWN_NAME))}</td>'
    return about, message, rule, _cell(str(row.count)), _cell(row.first)


def _request(row: Request) -> tuple[str, ...]:
    look = ' class="bad"' if row.status is None or row.status >= REFUSING else ""
    status = f"<td{look}>{row.status or 'no reply'}</td>"
    request = f'<td class="wide"><code>{_text(f"{row.method} {row.path}")}</code></td>'
    step = {name: member for name, member in (row.fault or {}).items() if name != "remaining"}
    fault = wording.value(step) if step else ""
    time = f"{row.received_at:%H:%M:%S.%f}"[:-3]
    return _cell(row.id), _cell(time), request, status, _cell(str(row.events)), f'<td class="wide">{_text(fault)}</td>'


def _cell(shown: str) -> str:
    return f"<td>{_text(shown)}</td>"


def _value(shown: Json) -> str:
    return "" if shown is None else wording.value(shown)


def _json(shown: Json) -> str:
    """Return a value as indented JSON, in which what could act or hide is an escape."""
    written = printable_json(json.dumps(shown, indent=2, ensure_ascii=False))
    return escape(wording.cut(written, SHOWN_VALUE))


def _text(shown: str) -> str:
    """Return a text as HTML, on one line and not too long."""
    return escape(printable(wording.cut(shown, SHOWN_TEXT)), quote=True)
