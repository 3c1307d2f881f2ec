"""Handlers of the control surface that read, change and delete a session."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterable, Mapping

from aiohttp import web
from multidict import CIMultiDict

from mockserver.contract.serving import ContractChoice
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.recording.replay.playing import Playback
from mockserver.server.aiohttp_io import SERVER
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase, eviction_of
from mockserver.server.turns import Turn
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import DEFAULT_SESSION, SessionNameError, session_name
from mockserver.settings import ReplyMode


class SettingsHandlers(HandlerBase):
    """The handlers of the settings of a session."""

    async def get_session(self, call: Call) -> Json:
        """Return the settings and counts of a session."""
        return self._describe(self.read(call))

    def _describe(self, session: Session) -> Json:
        settings = session.settings
        protocols: dict[str, Json] = {}
        for name in self.contracts.served:
            contract, choice = self.contracts.of(settings.protocols, name), settings.protocols.get(name)
            patch = None if choice is None else choice.patch
            protocols[name] = {
                "revision": contract.revision,
                "patch": patch,
                "contract_hash": contract.digest,
                "mode": session.mode(name, has_upstream=name in self.upstreams),
            }
        evicted: dict[str, Json] = {
            "evicted_events": session.evicted_events,
            "evicted_refused": session.evicted_refused,
        }
        return {
            "session": session.name,
            "credentials": list(settings.credentials),
            "keys": None if settings.keys is None else sorted(settings.keys),
            "rate_limits": settings.rate_limits,
            "protocols": protocols,
            "journal_limit": settings.journal_limit,
            "counts": session.counts.as_json(),
            "evicted": session.evicted,
            **(evicted if session.evicted else {}),
            **eviction_of(session),
            "replay": session.playback.as_json() if isinstance(session.playback, Playback) else None,
        }

    async def change_session(self, call: Call) -> Json:
        """Replace the given settings; all are validated before any is applied."""
        change = call.body
        self._check_modes(change, self.read(call).playback)
        protocols = await to_thread(self._choices, change) if "protocols" in change else None  # it compiles contracts
        contracts = [] if protocols is None else [self.contracts.of(protocols, name) for name in protocols]
        self.check_memory(sum(contract.bytes for contract in contracts), "/protocols")
        credentials = self._credentials(self.name_of(call), change.get("credentials") or ())
        session = self.named(call)
        if "credentials" in change:
            self.store.give(session, credentials)
        settings = session.settings
        if protocols is not None:
            session.choose(protocols, contracts)
            settings.modes = _modes(change)
        if "keys" in change:
            settings.keys = None if change["keys"] is None else frozenset(key.strip() for key in change["keys"])
        if "rate_limits" in change:
            settings.rate_limits = change["rate_limits"] or self.defaults.rate_limits
        if "journal_limit" in change:
            settings.journal_limit = change["journal_limit"] or self.defaults.journal_limit
            self.store.trim(session)
        self.store.set_up(session)
        return self._describe(session)

    def _credentials(self, owner: str, credentials: Iterable[str]) -> tuple[str, ...]:
        """Return credentials in their one form. Raises RejectedError for one that the session `owner` cannot have."""
        names: list[str] = []
        for index, credential in enumerate(credentials):
            try:
                names.append(session_name(credential))
            except SessionNameError as error:
                place = f"/credentials/{index}"
                detail = f"{place}: a credential selects a session: {error}"
                raise RejectedError(400, detail, pointer=place) from None
        taken = self.store.taken(owner, names)
        if taken is None:
            return tuple(dict.fromkeys(names))
        reason = f"{taken} is the name of an existing session; delete that session first, or use another credential"
        if taken == DEFAULT_SESSION:
            reason = f"{taken} is the session of requests that name none, so no session can own it"
        elif self.store.owner(taken) != taken:
            reason = f"the credential {taken} already belongs to the session {self.store.owner(taken)}"
        raise RejectedError(409, reason, pointer="/credentials")

    def _choices(self, change: Json) -> Mapping[str, ContractChoice]:
        choices = {
            name: ContractChoice(revision=choice.get("revision"), patch=choice.get("patch"))
            for name, choice in (change["protocols"] or {}).items()
            if choice is not None
        }
        for name, choice in choices.items():
            try:
                self.contracts.check({name: choice})
            except ContractError as error:
                member = "/revision" if error.pointer == "/revision" else "/patch" + (error.pointer or "")
                place = f"/protocols/{name}" + ("" if name not in self.contracts.served else member)
                raise RejectedError(400, f"{place}: {error.problem}", pointer=place) from None
        return choices

    def _check_modes(self, change: Json, playback: object) -> None:
        """Raise RejectedError for a protocol that is to be proxied or replayed, and nothing is there to answer."""
        for name, mode in _modes(change).items():
            if mode == "replay" and name in self.contracts.served and playback is None:
                place = f"/protocols/{name}/mode"
                detail = f"{place}: the session has no recording; PUT it to /_mock/sessions/{{session}}/recording first"
                raise RejectedError(409, detail, pointer=place)
            if mode == "proxy" and name in self.contracts.served and name not in self.upstreams:
                place = f"/protocols/{name}/mode"
                detail = f"{place}: {name} has no upstream; name it when the server starts: --upstream {name}=URL"
                raise RejectedError(409, detail, pointer=place)

    async def forget_session(self, call: Call) -> web.Response:
        """Delete one session."""
        self.store.forget(self.name_of(call))
        turn = Turn()
        while self.store.remains.free_some():
            await turn.end_if_over()
        return web.Response(status=204, headers=CIMultiDict({"Server": SERVER}))


def _modes(change: Json) -> Mapping[str, ReplyMode]:
    """Return the modes that a change asks for, by protocol."""
    choices = change.get("protocols") or {}
    return {name: choice["mode"] for name, choice in choices.items() if choice is not None and choice.get("mode")}
