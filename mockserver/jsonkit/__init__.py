"""JSON and the texts around it: parsing, pointers, patterns, formats, templates, strict YAML. Knows no protocol."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value that a user or a client sent. What the package itself makes has types of its own."""
