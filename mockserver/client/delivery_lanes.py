"""Deliveries as a picture: one lane for each logical event, its attempts on a time axis. Markup without scripts.

A mark has a shape and a colour for what happened to an attempt, and each is told in words too. Positions are in percent
of the width, so that a picture fits any page, and its text stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final, Literal

from mockserver.client.results import Attempt, Delivery, VerdictName
from mockserver.core import wording
from mockserver.jsonkit.printable import printable

Outcome = Literal["accepted", "duplicate", "rejected", "failed", "silent"]

OUTCOMES: Final[Mapping[Outcome, str]] = {
    "accepted": "accepted",
    "duplicate": "duplicate of one that was accepted",
    "rejected": "refused",
    "failed": "answered with an error that clients retry",
    "silent": "no reply",
}
"""What may happen to an attempt, in words."""

FAULT: Final = "a fault step was applied"
MOST_LANES: Final = 60
MOST_PLAIN: Final = 12
MOST_MARKS: Final = 60
"""Lanes of a picture, those of them that show nothing odd, and attempts on a lane. More cannot be told apart."""

LOOKS: Final = {"rejected": " bad", "lost": " bad"}
"""How fates look that are worse than odd."""

RETRIED: Final = frozenset({408, 425, 429})
SERVER_ERROR: Final = 500
REFUSING: Final = 400
LABEL: Final = 120
EDGE: Final = 2.0
"""Percent of the width that is left free at both ends, so that marks there are whole."""

SHAPES: Final = (
    '<svg class="shapes" aria-hidden="true" focusable="false"><defs>'
    '<circle id="m-accepted" r="6"/>'
    '<g id="m-duplicate"><circle class="hollow" r="6"/><circle r="2.5"/></g>'
    '<g id="m-rejected"><rect x="-6" y="-6" width="12" height="12"/>'
    '<path class="cut" d="M-3 -3 L3 3 M3 -3 L-3 3"/></g>'
    '<path id="m-failed" d="M0 -7 L7 6 L-7 6 Z"/>'
    '<path id="m-silent" class="hollow" d="M0 -7 L7 0 L0 7 L-7 0 Z"/>'
    '<g id="m-fault"><circle class="ring" r="10.5"/>'
    '<path class="bolt" d="M2 -18 L-4 -11 L0 -11 L-2 -6 L4 -13 L0 -13 Z"/></g>'
    "</defs></svg>"
)
"""The shapes that marks refer to; once on a page."""

STYLE: Final = """
.shapes{position:absolute;width:0;height:0}
.lanes{list-style:none;margin:0;padding:0;display:grid;gap:.25rem}
.lane{display:grid;grid-template-columns:minmax(9rem,16rem) 1fr minmax(7rem,12rem);gap:.25rem .75rem;align-items:center;
border-top:1px solid var(--line);padding:.25rem 0}
.lane svg,.axis svg{display:block;width:100%;height:34px;overflow:visible}
.axis svg{height:22px}
.lane .name{overflow-wrap:anywhere;font-size:.875rem}
.lane .name small,.lane .fate small{display:block;color:var(--muted)}
.lane .fate{font-size:.875rem}
.rail{stroke:var(--line);stroke-width:1}
.way{stroke:var(--muted);stroke-width:1.5}
.axis text{fill:var(--muted);font-size:12px}
.accepted{fill:var(--good)}.duplicate{fill:var(--good);stroke:var(--good)}
.rejected{fill:var(--bad)}.failed{fill:var(--odd)}.silent{fill:var(--muted);stroke:var(--muted)}
.hollow{fill:var(--page);stroke-width:2}
.cut{stroke:var(--page);stroke-width:2;fill:none}
.ring{fill:none;stroke:var(--fault);stroke-width:1.5;stroke-dasharray:3 2}
.bolt{fill:var(--fault);stroke:none}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0;padding:0;list-style:none;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{width:24px;height:26px;overflow:visible;flex:none}
@media(max-width:44rem){.lane{grid-template-columns:1fr auto}.lane .plot{grid-column:1/-1;grid-row:2}
.axis .name,.axis .fate{display:none}.axis .plot{grid-row:1}}
"""


def outcome(attempt: Attempt, verdict: VerdictName | None) -> Outcome:
    """Return what happened to an attempt, whose event had a verdict."""
    if attempt.status is None:
        return "silent"
    if attempt.status in RETRIED or attempt.status >= SERVER_ERROR:
        return "failed"
    if attempt.status >= REFUSING or verdict is None:
        return "rejected" if attempt.status >= REFUSING else "accepted"
    return verdict


def picture(
    deliveries: Sequence[Delivery],
    verdicts: Mapping[tuple[str, int], VerdictName],
    is_odd: Callable[[Delivery], bool],
) -> str:
    """Return the picture of some deliveries as HTML; those that are odd come first.

    `verdicts` are those of the events, by the id of the request and the position in it.
    """
    odd = [row for row in deliveries if is_odd(row)]
    shown = (odd + [row for row in deliveries if not is_odd(row)][:MOST_PLAIN])[:MOST_LANES]
    times = [attempt.at.timestamp() for row in shown for attempt in row.attempts]
    first, last = (min(times), max(times)) if times else (0.0, 0.0)
    lanes = "".join(_lane(row, verdicts, first, last, odd=is_odd(row)) for row in shown)
    more = len(deliveries) - len(shown)
    left_out = f"<p>{more} more are not drawn.</p>" if more > 0 else ""
    return f'{_legend()}<ul class="lanes">{_axis(first, last)}{lanes}</ul>{left_out}'


def _legend() -> str:
    entries = [*OUTCOMES.items(), ("fault", FAULT)]
    shapes = [
        f'<svg aria-hidden="true" class="{kind}"><use href="#m-{kind}" x="12" y="16"/></svg>{escape(words)}'
        for kind, words in entries
    ]
    return f'<ul class="legend" aria-label="Legend">{"".join(f"<li>{shape}</li>" for shape in shapes)}</ul>'


def _axis(first: float, last: float) -> str:
    """Return the lane with the times: the first attempt is at 0."""
    ticks = (0.0, 0.5, 1.0) if last > first else (0.0,)
    anchors = {0.0: "start", 0.5: "middle", 1.0: "end"}
    texts = "".join(
        f'<text x="{_percent(tick)}" y="15" text-anchor="{anchors[tick]}">+{_seconds((last - first) * tick)}</text>'
        for tick in ticks
    )
    return (
        '<li class="lane axis" aria-hidden="true"><span class="name"></span>'
        f'<span class="plot"><svg>{texts}</svg></span><span class="fate"></span></li>'
    )


def _seconds(span: float) -> str:
    return f"{span * 1000:.0f} ms" if span < 1 else f"{span:.1f} s" if span < 120 else f"{span / 60:.1f} min"


def _percent(part: float) -> str:
    return f"{EDGE + part * (100 - 2 * EDGE):.2f}%"


def _lane(
    row: Delivery, verdicts: Mapping[tuple[str, int], VerdictName], first: float, last: float, *, odd: bool
) -> str:
    attempts = row.attempts[:MOST_MARKS]
    places = [(attempt.at.timestamp() - first) / (last - first) if last > first else 0.0 for attempt in attempts]
    kinds = [outcome(attempt, verdicts.get((attempt.request_id, attempt.index))) for attempt in attempts]
    marks = "".join(
        _mark(attempt, kind, _percent(place)) for attempt, kind, place in zip(attempts, kinds, places, strict=True)
    )
    way = ""
    if len(places) > 1:
        way = f'<line class="way" x1="{_percent(min(places))}" x2="{_percent(max(places))}" y1="20" y2="20"/>'
    words = "; ".join(_words(attempt, kind) for attempt, kind in zip(attempts, kinds, strict=True))
    name = wording.cut(row.label or row.type or "no type", LABEL)
    more = "" if len(row.attempts) <= MOST_MARKS else f"; {len(row.attempts) - MOST_MARKS} more attempts"
    flags = "".join(f"<small>{escape(flag.replace('_', ' '))}</small>" for flag in row.flags)
    plot = f'<line class="rail" x1="0" x2="100%" y1="20" y2="20"/>{way}{marks}'
    fate, look = escape(row.fate.replace("_", " ")), LOOKS.get(row.fate, " odd" if odd else "")
    return (
        f'<li class="lane"><span class="name">{_shown(name)}<small>{_shown(wording.cut(row.id, 40))}</small></span>'
        f'<span class="plot"><svg role="img" aria-label="{_attribute(words + more)}">{plot}</svg></span>'
        f'<span class="fate{look}">{fate}{flags}</span></li>'
    )


def _mark(attempt: Attempt, kind: Outcome, x: str) -> str:
    fault = "" if attempt.fault is None else f'<use class="fault" href="#m-fault" x="{x}" y="20"/>'
    title = f"<title>{_shown(_words(attempt, kind))}</title>"
    return f'<g class="{kind}">{title}<use href="#m-{kind}" x="{x}" y="20"/>{fault}</g>'


def _words(attempt: Attempt, kind: Outcome) -> str:
    status = "" if attempt.status is None else f" ({attempt.status})"
    fault = "" if attempt.fault is None else f", {FAULT}"
    return f"{attempt.request_id} at {attempt.at:%H:%M:%S.%f}"[:-3] + f": {OUTCOMES[kind]}{status}{fault}"


def _shown(text: str) -> str:
    return escape(printable(text))


def _attribute(text: str) -> str:
    return escape(printable(text), quote=True)
