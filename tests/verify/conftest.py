"""The mutants of every contract run only when they are asked for: `pytest -m full`."""

from tests.strategies.conftest import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]
