"""`mockserver` on an aiohttp that lacks a name: `python -m tests.server.renamed NAME -m mockserver ARGUMENT…`.

An attribute is renamed in aiohttp's own source text, so that aiohttp itself goes on working; what a module of it offers
to others is taken away after aiohttp has imported it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

RENAMED_IN = ("aiohttp.base_protocol", "aiohttp.web_protocol", "aiohttp.web_server")


class RenamingLoader(SourceFileLoader):
    """Loads a module of aiohttp with one name changed throughout."""

    def __init__(self, fullname: str, path: str, name: str) -> None:
        super().__init__(fullname, path)
        self._name = name

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_source(fullname)
        assert text is not None
        return compile(re.sub(rf"\b{self._name}\b", f"{self._name}_renamed", text), self.path, "exec")


class RenamingFinder(MetaPathFinder):
    """Finds the modules whose names are changed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in RENAMED_IN else None
        if spec is not None and spec.origin is not None:
            spec.loader = RenamingLoader(fullname, spec.origin, self._name)
        return spec


def main() -> None:
    name = sys.argv[1]
    del sys.argv[1:4]
    sys.meta_path.insert(0, RenamingFinder(name))
    import aiohttp.web
    from aiohttp import http_exceptions

    if hasattr(http_exceptions, name):
        delattr(http_exceptions, name)
    assert not hasattr(aiohttp.web.RequestHandler, name)

    from mockserver.__main__ import main as mockserver

    mockserver()


if __name__ == "__main__":
    main()
