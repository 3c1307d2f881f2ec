"""Hypothesis strategies made of contracts: good and bad events and requests, each with the reply it must get.

This package alone, with `verify` and the pytest plugin, imports hypothesis, which is the extra `strategies`.
"""

from mockserver.strategies.generate import (
    Options,
    batches,
    breaches,
    events,
    invalid,
    invalid_events,
    invalid_requests,
    requests,
)
from mockserver.strategies.pasting import read_request, read_sample
from mockserver.strategies.plans import NOW_MS
from mockserver.strategies.samples import Breach, CertificateError, Expected, Request, Sample

__all__ = [
    "NOW_MS",
    "Breach",
    "CertificateError",
    "Expected",
    "Options",
    "Request",
    "Sample",
    "batches",
    "breaches",
    "events",
    "invalid",
    "invalid_events",
    "invalid_requests",
    "read_request",
    "read_sample",
    "requests",
]
