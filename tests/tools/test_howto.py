"""The page about other people's tools is true when a reader who has installed them does what it says."""

from __future__ import annotations

from pathlib import Path

from tests.docs.markdown import TOOLS_PAGE, blocks
from tests.docs.reader import reading
from tests.tools.harness import Tools


def test_page_is_true_when_a_reader_does_what_it_says(node_tools: Tools, python_tools: Tools, tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        (reader.folder / "node_modules").symlink_to(node_tools.programs.parent)
        reader.env["PATH"] += f":{python_tools.programs}"
        reader.read(list(blocks(TOOLS_PAGE)))
