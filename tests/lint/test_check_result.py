"""The result of a check, as lines to read."""

from __future__ import annotations

from collections import Counter

from mockserver.lint.check_result import CheckResult, ReadAs


def test_few_kinds_are_told_in_a_line_and_many_in_one_each() -> None:
    few = Counter({ReadAs("a", "p", "x", False): 1, ReadAs("a", "p", None, False): 2})
    many = Counter({ReadAs("b", "p", name, False): count for name, count in (("x", 1), ("y", 3), ("z", 2))})
    result = CheckResult(read_as=few + many, requests=9, unrecorded=1, unchecked_replies=2)
    assert list(result.lines()) == [
        "a: 2 requests as p (no operation), 1 request as p/x",
        "b:",
        "  3 requests as p/y",
        "  2 requests as p/z",
        "  1 request as p/x",
        "9 requests, 0 events: 0 errors, 0 warnings; 1 body not recorded; 2 replies not checked",
    ]


def test_what_was_not_checked_has_lines_of_its_own_if_there_is_much() -> None:
    result = CheckResult(requests=1, unrecorded=1, unchecked_replies=2, skipped_files=Counter({"hidden file": 3}))
    assert list(result.lines()) == [
        "not checked:",
        "  1 body not recorded",
        "  2 replies not checked",
        "  skipped 3 hidden files",
        "1 request, 0 events: 0 errors, 0 warnings",
    ]
