"""Every rule that verify tries, made of one contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial

from mockserver.core.contract import Contract
from mockserver.verify import covered, crossorigin, declared, limits, memory, names, order
from mockserver.verify.book import Book
from mockserver.verify.model import Rule, Setup, Transport


def rules_of(contract: Contract, setup: Setup, transport: Transport) -> list[Rule]:
    """Return the rules of a contract, each with its probes, the smallest first; those that burst come last."""
    book = Book(contract, setup, transport.now_ms())
    declared.declare(book)
    covered.declare(book)
    crossorigin.declare(book)
    order.declare(book)
    memory.declare(book)
    names.declare(book)
    limits.declare(book, transport.now_ms)
    for rule in book.rules.values():
        rule.probes.sort(key=lambda probe: probe.size)
    return list(book.rules.values())


def chosen(rules: Iterable[Rule], only: Sequence[str], skip: Sequence[str]) -> list[Rule]:
    """Return the rules that one of `only` names, if there is any, and none of `skip` does."""
    named = partial(_named, patterns=only)
    return [rule for rule in rules if (not only or named(rule)) and not _named(rule, skip)]


def _named(rule: Rule, patterns: Sequence[str]) -> bool:
    """Tell whether a pattern is a beginning of the rule's id, or a glob that it fits."""
    return any(rule.id.startswith(pattern) or fnmatchcase(rule.id, pattern) for pattern in patterns)
