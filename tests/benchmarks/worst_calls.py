"""Every call of the probe of turns, in the order in which they are made."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.requests import Call
from tests.benchmarks.worst_input import EVICTIONS, INPUT, PATCHES, VENDOR
from tests.benchmarks.worst_reads import READS, WAITS

CALLS: Final[list[Call]] = [*WAITS, *READS, *VENDOR, *INPUT, *PATCHES, *EVICTIONS]
