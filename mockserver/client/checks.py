"""Arguments of methods, checked before the call: unknown names, and values of a wrong type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from mockserver.errors import not_among, unknown
from mockserver.jsonkit import Json

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here


def check_arguments(function: Callable[..., Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """Check the arguments of a function, without the first, against its signature.

    None is taken for an argument that is not given; unpacked options are left to the function. Raises TypeError for an
    unknown name or a wrong type, ValueError for a value outside the allowed ones.
    """
    hints, names, is_open = _parameters(function)
    if not is_open:
        check_names(function.__name__, keywords, hints)
    for name, value in (*zip(names, positional, strict=False), *keywords.items()):
        if name in hints and value is not None:
            _check(name, value, hints[name])


def check_options(function: str, options: Mapping[str, Any], kind: type, others: Iterable[str]) -> None:
    """Check the unpacked options of a function against a TypedDict and `others`. Raises as `check_arguments`."""
    hints = _members(kind)
    check_names(function, options, [*hints, *others])
    for name, value in options.items():
        if value is not None:
            _check(name, value, hints[name])


def check_names(function: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for the name of an argument that a function does not have."""
    known = list(known)
    for name in names:
        if name not in known:
            raise TypeError(f"{function}: {unknown('option', name, known)}")


@cache
def _members(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


@cache
def _parameters(function: Callable[..., Any]) -> tuple[Mapping[str, Any], Sequence[str], bool]:
    """Return the types of the parameters after the first, the names of positional ones, and whether any name goes."""
    types, hints = get_type_hints(function), dict[str, Any]()
    parameters = list(signature(function).parameters.values())[1:]
    for parameter in parameters:
        if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
            hints[parameter.name] = types[parameter.name]
    names = [parameter.name for parameter in parameters if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
    return hints, names, any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)


def _check(name: str, value: Any, hint: Any) -> None:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_fits(value, option) for option in options):
        literals = [text for option in options if get_origin(option) is Literal for text in get_args(option)]
        if literals and isinstance(value, str):
            raise ValueError(f"{name} {not_among(value, literals)}")
        kinds = " or ".join(_kind(option) for option in options if option is not NoneType)
        raise TypeError(f"{name} must be {kinds}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint) or hint
    if origin is Literal:
        return value in get_args(hint)
    if origin is Any or hint is Json:
        return True
    if is_typeddict(origin) or origin is Mapping:
        return isinstance(value, Mapping)
    if origin is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if origin in (int, float):
        return isinstance(value, (int, float) if origin is float else int) and not isinstance(value, bool)
    return isinstance(value, origin)


def _kind(hint: Any) -> str:
    origin = get_origin(hint) or hint
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if is_typeddict(origin) or origin is Mapping:
        return "a mapping"
    names = {Sequence: "a list", int: "an integer", float: "a number", bool: "True or False", str: "a string"}
    return names.get(origin, f"a {getattr(origin, '__name__', origin)}")


def check_range(name: str, value: float, most: float | None = None) -> None:
    """Raise ValueError for a number that is negative, or greater than `most`."""
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    if most is not None and value > most:
        raise ValueError(f"{name} must be at most {most}, got {value!r}")
