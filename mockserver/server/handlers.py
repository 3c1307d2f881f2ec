"""Handlers of the control surface, by operationId of control.yaml."""

from __future__ import annotations

from mockserver.server.document_handlers import DocumentHandlers
from mockserver.server.journal_handlers import JournalHandlers
from mockserver.server.replay_handlers import ReplayHandlers
from mockserver.server.report_handlers import ReportHandlers
from mockserver.server.script_handlers import ScriptHandlers
from mockserver.server.server_handlers import ServerHandlers
from mockserver.server.stream_handlers import StreamHandlers
from mockserver.server.wait_handlers import WaitHandlers


class Handlers(
    ServerHandlers,
    DocumentHandlers,
    ReplayHandlers,
    JournalHandlers,
    WaitHandlers,
    StreamHandlers,
    ReportHandlers,
    ScriptHandlers,
):
    """All handlers: each public method named by an operationId takes a `Call`."""
