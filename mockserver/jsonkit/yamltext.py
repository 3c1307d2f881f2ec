"""The strict subset of YAML for contracts and cases, which parsers in other languages read the same way.

No anchors, merge keys, tags or duplicate keys; plain scalars are null, true, false, decimal numbers and strings.
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
from mockserver.jsonkit.filetext import utf8
from mockserver.jsonkit.jsontext import depth

MAX_DEPTH: Final = 100
"""Maximum nesting of arrays and objects: what reads, merges, compiles and writes a document is recursive."""
TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"
MAX_WIDTH: Final = 120
ONE_LINE: Final = 90

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_MAY_BE_REFUSED = re.compile(r"(?:^|[\s\[{,:?-])(?:[&*][^\s]|!)|^%", re.MULTILINE)
"""What an anchor, an alias, a tag or a directive begins with; many plain texts look the same."""


class _Strict(_Base):  # type: ignore[misc]
    """The loader; its resolvers are replaced below, so that `on`, dates and octal numbers stay strings."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key must be a string, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f'duplicate key "{key}"', key_node.start_mark)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_number(self, node: yaml.ScalarNode) -> float:
        number = float(self.construct_scalar(node))
        if math.isinf(number):
            problem = "the number is out of range for a double"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return number


class _Writer(yaml.SafeDumper):
    """The writer; it quotes strings that this subset or YAML 1.1 would read as another type."""

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
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ContractError(str(path), "", f"cannot be read: {error.strerror}") from None
    return loads(text, str(path))


def dumps(value: Json) -> str:
    """Write a value so that `loads` reads it back; keys keep their order, short innermost objects go on one line."""
    text: str = yaml.dump(
        value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=MAX_WIDTH, default_flow_style=None
    )
    return text


def loads(text: bytes | str, name: str) -> Json:
    """Parse YAML text; `name` is used in the error. Raises ContractError."""
    try:
        text = utf8(text) if isinstance(text, bytes) else text
        tagged = _refused(text, name)
        value = yaml.load(text, Loader=_Strict)
        if tagged is not None:
            raise tagged
        if depth(value) > MAX_DEPTH:
            raise ContractError(name, "", TOO_DEEP)
        return value
    except yaml.YAMLError as error:
        raise ContractError(name, "", _problem(error)) from None
    except RecursionError:
        raise ContractError(name, "", TOO_DEEP) from None
    except ValueError as error:
        raise ContractError(name, "", str(error)) from None


def _problem(error: yaml.YAMLError) -> str:
    """Return where and why a text is not YAML of this subset."""
    if isinstance(error, yaml.reader.ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)  # libyaml gives the code
        return f"character U+{code:04X} at position {error.position} is not allowed"
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    problem = getattr(error, "problem", None) or str(error)
    if isinstance(error, yaml.constructor.ConstructorError) and " the tag " in problem:
        problem = f"tags are not allowed, got {problem.partition(' the tag ')[2]}"
    return f"{where}{problem}"


def _refused(text: bytes | str, name: str) -> ContractError | None:
    """Refuse anchors and aliases; return the error for the first tag or directive, which counts if the text loads.

    Only a text that may have one is scanned, because scanning takes as long as loading.
    """
    if _MAY_BE_REFUSED.search(text if isinstance(text, str) else text.decode()) is None:
        return None
    tagged = None
    for token in yaml.scan(text, Loader=_Base):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            raise _error_at(token, "anchors and aliases are not allowed", name)
        if tagged is None and isinstance(token, yaml.TagToken | yaml.DirectiveToken):
            tagged = _error_at(token, "tags and directives are not allowed", name)
    return tagged


def _error_at(token: yaml.Token, problem: str, name: str) -> ContractError:
    mark = token.start_mark
    return ContractError(name, "", f"line {mark.line + 1}: {problem} (column {mark.column + 1})")
