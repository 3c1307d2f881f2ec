"""JSON and related formats: parsing, pointers, patterns, formats, templates, strict YAML. Independent of protocols."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value from a user or a client. Values that the package creates have their own types."""
