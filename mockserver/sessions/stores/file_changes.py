"""What is to be written to the file of a durable store in one transaction: rows of its tables."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct, field

Row: TypeAlias = tuple[Any, ...]


class Changes(Struct):
    """What has changed since the last transaction. After a failure it may be written again, whatever was written of it.

    `sessions` and `tombstones` have the last state by number and name, None for a tombstone that is gone. `ids` are
    rows of a session, a memory, the position of the first id, and the ids; `dropped` of a session, a memory, and the
    position of the oldest id that is still remembered. `held` are rows of a session, a kind, a key and a `Held`;
    `held_anew` are sessions whose held keys are all written again. `evicted` are rows of a session and its oldest
    request that is still there; `unused` are numbers of heads, `deleted` numbers of sessions.
    """

    sessions: dict[int, Row] = field(default_factory=dict)
    heads: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    revised: list[Row] = field(default_factory=list)
    ids: list[Row] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)
    held_anew: list[int] = field(default_factory=list)
    held: list[Row] = field(default_factory=list)
    evicted: list[Row] = field(default_factory=list)
    unused: list[int] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    tombstones: dict[str, Row | None] = field(default_factory=dict)

    def followed_by(self, later: Changes) -> Changes:
        """Return these changes and later ones, for one transaction."""
        pairs = [(getattr(self, name), getattr(later, name)) for name in self.__struct_fields__]
        return Changes(*(first | second if isinstance(first, dict) else first + second for first, second in pairs))
