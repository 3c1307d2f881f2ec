"""Keys as logs show them: recognisable, not usable."""

from __future__ import annotations


def shorten(name: str, limit: int = 12) -> str:
    """Return a session's name as logs show it: a key is not written out, but its beginning and its end are."""
    if len(name) <= limit:
        return name
    end = (limit - 1) // 2
    return f"{name[: limit - 1 - end]}…{name[-end:]}"


def shorten_path(target: str) -> str:
    """Return the path of a target with long segments, which may be keys, shortened."""
    return "/".join(shorten(part, 16) for part in target.partition("?")[0].split("/"))
