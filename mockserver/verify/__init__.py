"""Verify any server against a contract by its replies alone: `mockserver verify` as a library."""

from mockserver.verify.rule import Finding, Outcome, Probe, Reply, Rule, Setup, Status, Step, Transport
from mockserver.verify.rules import chosen, rules_of
from mockserver.verify.run_results import defects
from mockserver.verify.runner import Runner, verify

__all__ = [
    "Finding",
    "Outcome",
    "Probe",
    "Reply",
    "Rule",
    "Runner",
    "Setup",
    "Status",
    "Step",
    "Transport",
    "chosen",
    "defects",
    "rules_of",
    "verify",
]
