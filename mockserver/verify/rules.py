"""Every rule that verify tries, made of one contract."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from mockserver.contract.contract import Contract
from mockserver.errors import SettingsError
from mockserver.verify import cors_rules as crossorigin
from mockserver.verify import identity_rules as names
from mockserver.verify import memory_rules as memory
from mockserver.verify import order_rules as order
from mockserver.verify import rate_rules as limits
from mockserver.verify import sample_rules as declared
from mockserver.verify import shadowed as covered
from mockserver.verify.rule import Rule, Setup, Transport
from mockserver.verify.rule_set import RuleSet


def rules_of(contract: Contract, setup: Setup, transport: Transport) -> list[Rule]:
    """Return the rules of a contract, each with its probes, the smallest first; those that burst come last."""
    rule_set = RuleSet(contract, setup, transport.now_ms())
    declared.declare(rule_set)
    covered.declare(rule_set)
    crossorigin.declare(rule_set)
    order.declare(rule_set)
    memory.declare(rule_set)
    names.declare(rule_set)
    limits.declare(rule_set, transport.now_ms)
    for rule in rule_set.rules.values():
        rule.probes.sort(key=lambda probe: probe.size)
    return list(rule_set.rules.values())


def chosen(rules: Sequence[Rule], only: Sequence[str], skip: Sequence[str]) -> list[Rule]:
    """Return the rules that one of `only` names, if there is any, and none of `skip` does.

    Raises SettingsError for a name that no rule has, and where nothing is left.
    """
    names = [rule.id for rule in rules]
    for pattern in (*only, *skip):
        if not pattern or not any(_named(name, (pattern,)) for name in names):
            near = get_close_matches(pattern, names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SettingsError(f"no rule begins with, or fits, {pattern!r}; {hint}--dry-run lists them")
    left = [rule for rule in rules if (not only or _named(rule.id, only)) and not _named(rule.id, skip)]
    if not left:
        raise SettingsError("--only and --skip leave no rule")
    return left


def _named(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a pattern is a beginning of a rule's id, or a glob that it fits."""
    return any(name.startswith(pattern) or fnmatchcase(name, pattern) for pattern in patterns)
