"""Handlers of the control surface, by operationId of control.yaml."""

from __future__ import annotations

from mockserver.server.handlers.conformance_handlers import ConformanceHandlers
from mockserver.server.handlers.document_handlers import DocumentHandlers
from mockserver.server.handlers.journal_handlers import JournalHandlers
from mockserver.server.handlers.replay_handlers import ReplayHandlers
from mockserver.server.handlers.report_handlers import ReportHandlers
from mockserver.server.handlers.script_handlers import ScriptHandlers
from mockserver.server.handlers.server_handlers import ServerHandlers
from mockserver.server.handlers.stream_handlers import StreamHandlers
from mockserver.server.handlers.wait_handlers import WaitHandlers


class Handlers(
    ServerHandlers,
    DocumentHandlers,
    ReplayHandlers,
    JournalHandlers,
    WaitHandlers,
    StreamHandlers,
    ReportHandlers,
    ConformanceHandlers,
    ScriptHandlers,
):
    """All handlers: each public method named by an operationId takes a `Call`."""
