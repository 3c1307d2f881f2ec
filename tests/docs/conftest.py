"""The fixtures of the snippets that drive real SDKs."""

from tests.sdks.fixtures import chromium, node, packages, server

__all__ = ["chromium", "node", "packages", "server"]
