"""The notation for repetitions in golden cases and corpora: `$repeat` and `${i}`."""

from __future__ import annotations

from typing import Final

from mockserver.jsonkit import Json

REPEAT: Final = "$repeat"
COPY_NUMBER: Final = "${i}"


def expand(value: Json, copy: int | None = None) -> Json:
    """Replace every `$repeat` by its repetitions, and `${i}` in repeated texts by the number of the copy.

    `{$repeat: {times, text}}` is a text; as the only item of a list, `{$repeat: {times, value}}` is so many items.
    """
    if isinstance(value, str):
        return value if copy is None else value.replace(COPY_NUMBER, str(copy))
    if isinstance(value, list):
        return _items(value, copy)
    if isinstance(value, dict):
        if REPEAT in value:
            return value[REPEAT]["text"] * value[REPEAT]["times"]
        return {name: expand(member, copy) for name, member in value.items()}
    return value


def _items(items: list[Json], copy: int | None) -> list[Json]:
    if len(items) == 1 and isinstance(items[0], dict) and REPEAT in items[0]:
        repeat = items[0][REPEAT]
        return [expand(repeat["value"], number) for number in range(repeat["times"])]
    return [expand(item, copy) for item in items]
