"""The formats of a report by name, each as the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mockserver.client.report_github import github
from mockserver.client.report_html import html
from mockserver.client.report_markdown import markdown
from mockserver.client.session_report import Report

FORMATS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "text": lambda report: f"{report.text()}\n".encode(),
    "json": lambda report: f"{report.json()}\n".encode(),
    "junit": Report.junit,
    "markdown": lambda report: markdown(report).encode(),
    "html": lambda report: html(report).encode(),
    "github": lambda report: github(report).encode(),
}
