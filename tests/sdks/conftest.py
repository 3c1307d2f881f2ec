"""The fixtures of the SDK tests."""

from .fixtures import chromium, node, outlit, packages, server, whisperr

__all__ = ["chromium", "node", "outlit", "packages", "server", "whisperr"]
