"""YAML as contracts and cases are written in it: a strict subset that other languages read the same way.

No anchors, merge keys or tags, no duplicate keys; plain scalars are only null, true, false, decimal numbers and text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from mockserver.errors import ContractError
from mockserver.jsonkit import Json

MAX_WIDTH: Final = 120
ONE_LINE: Final = 90

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_LIKE_AN_ANCHOR = re.compile(r"(?:^|[\s\[{,:?-])[&*][^\s]")


class _Strict(_Base):  # type: ignore[misc]
    """The loader; resolvers are replaced below, so `on`, dates and octals stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a member's name must be text, not {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the member {key} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_number(self, node: yaml.ScalarNode) -> float:
        number = float(self.construct_scalar(node))
        if math.isinf(number):
            problem = "the number is beyond the range of a double"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return number


class _Writer(yaml.SafeDumper):
    """The writer; it quotes what either this subset or YAML 1.1 would read as something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        if sum(len(f"{name.value}: {member.value}, ") for name, member in node.value) > ONE_LINE:
            node.flow_style = False
        return node


_Strict.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"null|", ["n", ""]),
    ("tag:yaml.org,2002:bool", r"true|false", list("tf")),
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)",
        list("-0123456789"),
    ),
):
    _Strict.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
    _Writer.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
_Strict.yaml_constructors = {
    tag: constructor
    for tag, constructor in _Base.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}
_Strict.add_constructor("tag:yaml.org,2002:float", _Strict.construct_number)


def load(path: Path) -> Json:
    """Read a YAML file. Raises ContractError naming the file and line."""
    return loads(path.read_bytes(), str(path))


def dumps(value: Json) -> str:
    """Write a value so that `loads` reads it back; members keep their order, short innermost ones stand on one line."""
    text: str = yaml.dump(
        value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=MAX_WIDTH, default_flow_style=None
    )
    return text


def loads(text: bytes | str, name: str) -> Json:
    """Read YAML text; `name` is for the error. Raises ContractError."""
    try:
        _refuse_anchors(text, name)
        return yaml.load(text, Loader=_Strict)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        problem = getattr(error, "problem", None) or str(error)
        raise ContractError(name, "", f"{where}{problem}") from None
    except UnicodeDecodeError as error:
        raise ContractError(name, "", f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ContractError(name, "", "nested too deeply") from None
    except ValueError as error:
        raise ContractError(name, "", str(error)) from None


def _refuse_anchors(text: bytes | str, name: str) -> None:
    """Look closely only where something looks like an anchor; scanning takes as long as loading."""
    if _LIKE_AN_ANCHOR.search(text if isinstance(text, str) else text.decode("utf-8")) is None:
        return
    for token in yaml.scan(text, Loader=_Base):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            raise ContractError(name, "", f"line {token.start_mark.line + 1}: anchors and aliases are not used here")
