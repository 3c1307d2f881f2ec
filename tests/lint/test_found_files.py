"""Which files are read of those that are named and of those in folders; nothing is left out without a word."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from mockserver.lint.found_files import LINK, OTHER_KIND, OTHER_NAME, files_of, suffix_of
from mockserver.lint.items import BrokenItem, EmptyItem


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.json", ".json"),
        ("a.NDJSON", ".ndjson"),
        ("a.ndjson.gz", ".ndjson"),
        ("a.b.har.GZ", ".har"),
        ("a.gz", ""),
        ("a", ""),
        ("-", ""),
        (".json", ""),
    ],
)
def test_suffix_says_what_is_in_a_file(name: str, suffix: str) -> None:
    assert suffix_of(Path(name)) == suffix


def test_files_of_a_folder_are_read_in_order_when_their_names_fit(tmp_path: Path) -> None:
    names = ["b.json", "a.ndjson.gz", "c/d.har", "c/a.yaml", "notes.txt", "c/README.md", ".hidden.json", ".git/x.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c" / "again").symlink_to(tmp_path)
    (tmp_path / "broken.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "b.json")
    os.mkfifo(tmp_path / "pipe.json")
    skipped = Counter[str]()
    found = list(files_of([tmp_path, Path("-"), tmp_path / "notes.txt"], skipped))
    inside = ["a.ndjson.gz", "b.json", "broken.json", "link.json", "loop.json", "c/a.yaml", "c/d.har"]
    assert found == [*(tmp_path / name for name in inside), Path("-"), tmp_path / "notes.txt"]
    assert +skipped == {OTHER_NAME: 2, LINK: 1, OTHER_KIND: 1}


def test_folder_is_an_item_when_there_is_nothing_in_it_or_it_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty,) = files_of([tmp_path], Counter())
    assert isinstance(empty, EmptyItem)
    assert empty.problem == "the folder has no files with names in .json, .har, .ndjson, .jsonl, .yaml, .yml"

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    (broken,) = files_of([tmp_path], Counter())
    assert isinstance(broken, BrokenItem)
    assert (broken.file, broken.problem) == (str(tmp_path), "the folder cannot be read: Permission denied")
