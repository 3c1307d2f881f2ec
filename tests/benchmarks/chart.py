"""Charts of the throughput tables. pygal draws them; it is in the extra `benchmark`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pygal
from pygal.style import Style

# pygal's finder of modules is of a kind that Python warns of at each later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

STYLE: Final = Style(
    background="white",
    plot_background="white",
    colors=("#6ea8dc", "#e3a15c", "#86c29b"),
    label_font_size=13,
    legend_font_size=15,
    title_font_size=18,
    value_font_size=12,
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#aaaaaa",
    opacity="1",
)
_SCRIPT: Final = re.compile(r"<script.*?</script>", re.DOTALL)
TEXTS: Final = {
    "client.py": "Requests per second with a busy client, the barest handler = 1",
    "wrk": "Requests per second with wrk, the barest handler = 1",
}


def draw(found: Sequence[Mapping[str, Any]], sender: str, path: Path) -> None:
    """Draw each case as bars, one for ours and one for each peer, beside the ceiling's 1; writes an SVG file."""
    cases = [each for each in found if each["connections"] > 1]
    peers = list(dict.fromkeys(name for each in cases for name in each["peers"]))
    chart = pygal.HorizontalBar(
        style=STYLE,
        title=TEXTS[sender],
        js=(),
        width=1000,
        height=120 + 60 * len(cases),
        print_values=True,
        formatter=lambda value: f"{value:.2f}",
        value_formatter=lambda value: f"{value:.2f}",
        range=(0, max(1.0, *(each["ratio"] for each in cases)) * 1.05),
        no_prefix=True,
        disable_xml_declaration=True,
    )
    shown = cases[::-1]  # a horizontal chart begins at its foot
    chart.x_labels = [each["case"] for each in shown]
    chart.add("mockserver", [each["ratio"] for each in shown])
    for peer in peers:
        chart.add(peer, [each["peers"].get(peer, {}).get("of_ceiling") for each in shown])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPT.sub("", chart.render(is_unicode=True)))
