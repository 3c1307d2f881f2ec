"""What exports and explanations of a session hide: its secrets, collected in turns of the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial

from mockserver.contract.contract import Contract
from mockserver.recording.exporting import MANY_SECRETS, quickly_searched, secrets_of_session
from mockserver.recording.redaction.find_secrets import key_prefixes, secrets_of
from mockserver.recording.redaction.redact import Redactor
from mockserver.server.turns import Turn
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session


async def secrets_in(
    served: Iterable[Contract], session: Session, exchanges: AsyncIterator[Exchange]
) -> tuple[set[str], set[str]]:
    """Return the secrets of a session and of some of its exchanges, and what keys begin with."""
    secrets, contracts, turn = secrets_of_session(session), set(served), Turn()
    async for exchange in exchanges:
        contracts.add(exchange.contract)
        found = partial(secrets_of, exchange.request, exchange.contract)
        secrets |= await turn.do(found, large=not quickly_searched(exchange))
    return secrets, {prefix for contract in contracts for prefix in key_prefixes(contract)}


async def redactor_of(secrets: set[str], prefixes: set[str]) -> Redactor:
    """Return what hides secrets, and what begins like a key."""
    return await Turn().do(partial(Redactor, secrets, prefixes), large=len(secrets) > MANY_SECRETS)
