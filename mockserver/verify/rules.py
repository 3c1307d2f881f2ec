"""Every rule that verify tries, made from one contract."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from mockserver.contract.contract import Contract
from mockserver.errors import SettingsError, unknown
from mockserver.verify.evidence import Evidence
from mockserver.verify.families import (
    batch_rules,
    cors_rules,
    identity_rules,
    manner_rules,
    memory_rules,
    near_rules,
    odd_rules,
    order_rules,
    origin_rules,
    rate_rules,
    route_rules,
    sample_rules,
    text_rules,
    value_rules,
    way_rules,
    window_rules,
)
from mockserver.verify.rule import Rule, Setup, Transport
from mockserver.verify.rule_set import RuleSet

FAMILIES = (
    sample_rules,
    way_rules,
    near_rules,
    batch_rules,
    value_rules,
    odd_rules,
    route_rules,
    manner_rules,
    text_rules,
    cors_rules,
    origin_rules,
    order_rules,
    memory_rules,
    identity_rules,
)


def rules_of(contract: Contract, setup: Setup, transport: Transport, evidence: Evidence | None = None) -> list[Rule]:
    """Return the rules of a contract, those that burst last. Their probes are built when they are tried.

    What the checks of replies find out about facts is kept in the `evidence`.
    """
    rule_set = RuleSet(contract, setup, transport.now_ms(), evidence)
    for family in FAMILIES:
        family.declare(rule_set)
    window_rules.declare(rule_set, transport)
    rate_rules.declare(rule_set, transport.now_ms)
    return list(rule_set.rules.values())


def in_scope(rules: Sequence[Rule], contract: Contract, setup: Setup) -> list[Rule]:
    """Return the rules about the chosen operations, and about facts of the chosen bases.

    Raises SettingsError for an operation that the contract does not have, and where nothing is left.
    """
    for name in setup.operations:
        if name not in contract.operations:
            raise SettingsError(f"--operation: {unknown('operation', name, contract.operations)}")
    left = [rule for rule in rules if rule.basis in setup.bases]
    left = [rule for rule in left if not setup.operations or rule.operation in setup.operations]
    if not left:
        raise SettingsError("--basis and --operation leave no rule")
    return left


def chosen(rules: Sequence[Rule], only: Sequence[str], skip: Sequence[str]) -> list[Rule]:
    """Return the rules that one of `only` names, if there is any, and none of `skip` does.

    Raises SettingsError for a name that no rule has, and where nothing is left.
    """
    ids = [rule.id for rule in rules]
    for pattern in (*only, *skip):
        if not pattern or not any(is_named(rule_id, (pattern,)) for rule_id in ids):
            near = get_close_matches(pattern, ids, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SettingsError(f"no rule begins with, or fits, {pattern!r}; {hint}--dry-run lists them")
    left = [rule for rule in rules if (not only or is_named(rule.id, only)) and not is_named(rule.id, skip)]
    if not left:
        raise SettingsError("--only and --skip leave no rule")
    return left


def is_named(rule_id: str, patterns: Sequence[str]) -> bool:
    """Tell whether one of the patterns is a beginning of a rule's id, or a glob that it fits."""
    return any(rule_id.startswith(pattern) or fnmatchcase(rule_id, pattern) for pattern in patterns)
