"""A protocol-compatible mock and contract-testing server for event-ingestion APIs."""

from __future__ import annotations

__version__ = "0.1.0"
