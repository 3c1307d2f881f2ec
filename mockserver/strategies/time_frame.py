"""The time that generated values are near."""

from __future__ import annotations

from mockserver.contract.contract import Contract
from mockserver.contract.sections import Window
from mockserver.strategies.places import Tokens


class TimeFrame:
    """The time generated values are near: `now_ms`, and the windows of the contract around it.

    `slack_ms` keeps valid times that far inside a window's ends, and invalid ones that far beyond.
    """

    def __init__(self, contract: Contract, now_ms: int, slack_ms: int = 0) -> None:
        self.now_ms = now_ms
        self.slack_ms = slack_ms
        self.windows: dict[Tokens, Window] = {window.tokens: window for window in contract.windows}

    def inside(self, tokens: Tokens) -> tuple[int, int] | None:
        """Return how far a time at this place of an event may be from now, both ends valid; None where it is free."""
        window = self.windows.get(tokens)
        return None if window is None else (self.slack_ms - window.past_ms, window.future_ms - self.slack_ms)
