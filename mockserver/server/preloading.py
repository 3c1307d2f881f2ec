"""Loading everything that a server otherwise loads on first use.

A server of its own loads it in a thread once it is ready: otherwise, an import for the first invalid event stops the
loop for 60 ms. A server in the process of a test must not read files or import modules during the test:
pyfakefs may hide the file system by then, and other tools may have replaced what a module binds when it is imported.
"""

from __future__ import annotations

import importlib
from typing import Final

from mockserver.contract.library import library
from mockserver.server.control import document

LAZY_MODULES: Final = (
    "mockserver.core.reference_engine",
    "concurrent.futures.thread",
    "difflib",
    "encodings.idna",
    "encodings.utf_16_be",
    "pprint",
)


def preload() -> None:
    """Import the modules and read the files that are otherwise loaded on first use; takes about 150 ms once."""
    for name in LAZY_MODULES:
        importlib.import_module(name)
    document()
    library()
