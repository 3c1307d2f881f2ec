"""Replacements for values that a recording must not hold: equal values get equal ones, different values different ones.

A replacement looks like what it replaces (an e-mail address, a UUID, a key of a protocol), so that it is judged alike.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["credential", "id", "text", "value"]
"""What a value is if its own form does not say more: a key, an id of a person or a thing, words, anything else."""
Form: TypeAlias = Literal["email", "uuid", "address", "phone"]
"""What the form of a value says it is."""
NAMES_OF_KINDS: Final[Mapping[str, str]] = {
    "credential": "credential",
    "email": "e-mail address",
    "uuid": "UUID",
    "address": "IP address",
    "phone": "telephone number",
    "id": "id",
    "text": "personal text",
    "number": "number",
    "value": "other value",
}
"""What the kinds of replaced values are called."""

_LOCAL_PART: Final = r"[\w.%+'-]{1,64}"
_LONGEST_LOCAL_PART: Final = 64
_DOMAIN: Final = r"[^\W_](?:[^\W_]|-){0,62}\.(?:(?:[^\W_]|-){1,63}\.){0,7}(?:xn--[A-Za-z0-9-]{1,59}|[^\W\d_]{2,24})"
_BEFORE_SIGN: Final = re.compile(rf"{_LOCAL_PART}\Z")
_PASSWORD: Final = re.compile(r"://[^/\s:@]{0,256}:\Z")
"""What is before the password in a URL."""
_AFTER_SIGN: Final = re.compile(_DOMAIN)
_EMAIL: Final = re.compile(f"{_LOCAL_PART}@{_DOMAIN}")
_IPV4: Final = re.compile(r"(?<![0-9.A-Za-z_-])(?<![^/]/)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9A-Za-z])")
_IPV6: Final = re.compile("(?<![0-9A-Za-z:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![0-9A-Za-z:.])")
_UUID: Final = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
_PHONE: Final = re.compile(
    r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}(?![0-9])"
    r"|(?<![\w.-])(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[. -])[0-9]{3}[. -][0-9]{4}(?![\w-])"
)
"""Telephone numbers with the code of a country, or as they are written in North America."""
_HEX: Final = re.compile("[0-9a-f]+")
_OWN: Final = re.compile(
    r"<(?:credential|id|text|value):[0-9]+>|user-[0-9]+@example\.test|00000000-0000-[1-8]000-8000-[0-9a-f]{12}"
    r"|\+1555[0-9]+|2001:db8::[0-9a-f]+|192\.0\.2\.[0-9]{1,3}"
    r"|(?:[A-Za-z0-9]{1,12}_){0,2}(?:x{4,}[0-9]{1,6}|0{8,}[0-9a-f]{1,6})"
)
"""A pseudonym, apart from those with the shape of what they replace, of short keys, and of the 255th address on."""
_MOST_TRIES: Final = 1000
_PREFIX: Final = re.compile("[A-Za-z0-9]{1,12}_(?:(?:live|test|sk|pk)_)?")
_FOUR_BYTES: Final = ("192.0.2", "198.51.100", "203.0.113")
"""Networks for examples (RFC 5737), which are nobody's; RFC 3849 has that of IPv6."""

NUMBERS_OF_SOMEBODY: Final = 1_555_000_000
"""What the pseudonyms of numbers that are ids begin from."""
NONE_GIVEN: Final[Mapping[str, str]] = MappingProxyType({})


class Pseudonyms:
    """The replacements of one recording, made in the order in which values are first asked for.

    `prefixes` is what keys begin with, which a replacement keeps, `id_prefixes` what ids begin with. With `shaped`,
    values without a form of their own are replaced character by character, else by what reads best. Where a recording
    is continued, `given` are replacements that it has, and `used` is a number that none of its own exceeds.

    With `kept`, what is a pseudonym already stays as it is: a recording that was converted has the same ones when it
    comes back.
    """

    def __init__(
        self,
        prefixes: Iterable[str] = (),
        *,
        id_prefixes: Iterable[str] = (),
        shaped: bool = False,
        given: Mapping[str, str] = NONE_GIVEN,
        used: int = 0,
        kept: bool = False,
    ) -> None:
        self._prefixes = sorted(prefixes, key=len, reverse=True)
        self._id_prefixes = sorted(filter(None, id_prefixes), key=len, reverse=True)
        self._shaped = shaped
        self._given = dict(given)
        self._keeps = kept
        self._kept: set[str] = set()
        self._taken: set[str] = set()
        self._given_numbers: dict[float, float] = {}
        self._numbers: dict[str, int] = {}
        self._used, self._before = used, len(given)
        self._kinds = Counter[str]()

    @property
    def shaped(self) -> bool:
        """Whether values are replaced character by character, so that a check of their form is passed."""
        return self._shaped

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many different values of each kind were replaced: what their form says, else the kind they came with."""
        return dict(sorted(self._kinds.items()))

    def __len__(self) -> int:
        return self._used + len(self._given) - self._before + len(self._given_numbers)

    def get(self, value: str) -> str | None:
        """Return the replacement that a value has, or None."""
        return self._given.get(value)

    def replace(self, value: str, kind: Kind) -> str:
        """Return the replacement of a text; the first use decides its kind. What is empty stays so."""
        if not value.strip():
            return value
        given = self._given.get(value)
        if given is None:
            form = _form_of(value)
            self._kinds[form or kind] += 1
            given = self._given[value] = value if self._is_kept(value) else self._unused(value, kind, form)
            self._taken.add(given)
        return given

    def _is_kept(self, value: str) -> bool:
        """Tell whether a value stays as it is, and note it: no other value may have this pseudonym."""
        if not self._keeps or value in self._taken or _OWN.fullmatch(value) is None:
            return False
        self._kept.add(value)
        return True

    def _unused(self, value: str, kind: Kind, form: Form | None) -> str:
        """Return a new pseudonym; if addresses run out, one that was used."""
        given = self._new(value, kind, form)
        for _ in range(_MOST_TRIES):
            if given not in self._kept:
                break
            given = self._new(value, kind, form)
        return given

    def replace_number(self, value: float, *, of_somebody: bool = False) -> float:
        """Return the replacement of a number, which is a whole one as the number is.

        That of an id `of_somebody`, or of what a rule hides, can be told from other numbers, as it is in places that
        nothing else tells.
        """
        given = self._given_numbers.get(value)
        if given is None:
            self._kinds["number"] += 1
            number = self._next("number") + (NUMBERS_OF_SOMEBODY if of_somebody else 0)
            given = self._given_numbers[value] = number if isinstance(value, int) else number + 0.5
        return given

    def _new(self, value: str, kind: Kind, form: Form | None) -> str:
        if form == "email":
            return f"user-{self._next('email')}@example.test"
        if form == "uuid":
            return f"00000000-0000-{value[14]}000-8000-{self._next('uuid'):012x}"
        if form == "address":
            return self._address(value)
        if form == "phone":
            return self._phone(value)
        if kind == "credential":
            return self._key(value)
        if self._shaped:
            return self._like(value)
        prefix = next((known for known in self._id_prefixes if value.startswith(known)), "") if kind == "id" else ""
        return f"{prefix}<{kind}:{self._next(kind)}>"

    def _address(self, value: str) -> str:
        number = self._next("address")
        if ":" in value:
            return f"2001:db8::{number:x}"
        return f"{_FOUR_BYTES[(number - 1) // 254 % len(_FOUR_BYTES)]}.{(number - 1) % 254 + 1}"

    def _phone(self, value: str) -> str:
        """Return a number of as many digits, written alike."""
        count = sum(map(str.isdigit, value))
        digits = iter(f"1555{self._next('phone'):0{max(3, count - 4)}}")
        return "".join(next(digits) if char.isdigit() else char for char in value) + "".join(digits)

    def _key(self, value: str) -> str:
        """Return a key with the beginning and the length of another one, and as many kinds of characters."""
        known = next((prefix for prefix in self._prefixes if value.startswith(prefix)), "")
        own = _PREFIX.match(value) if known else None
        prefix = known if own is None else max(known, own[0], key=len)
        rest = value[len(prefix) :]
        if self._shaped:
            return prefix + self._like(rest)
        number = self._next("credential")
        if _HEX.fullmatch(rest):
            return prefix + f"{number:x}".rjust(len(rest), "0")
        return prefix + str(number).rjust(len(rest), "x")

    def _like(self, value: str) -> str:
        """Return a text of the same length and kinds of characters."""
        filled = list(map(_filler, value))
        places = [index for index, char in enumerate(value) if char.isascii() and char.isalnum()]
        for place, digit in zip(reversed(places), reversed(str(self._next("shaped"))), strict=False):
            filled[place] = digit if value[place].isdigit() else chr(ord(filled[place]) - 23 + int(digit))
        return "".join(filled)

    def _next(self, series: str) -> int:
        self._numbers[series] = self._numbers.get(series, self._used) + 1
        return self._numbers[series]


def _form_of(value: str) -> Form | None:
    if _EMAIL.fullmatch(value):
        return "email"
    if _UUID.fullmatch(value):
        return "uuid"
    if _is_address(value):
        return "address"
    return "phone" if _PHONE.fullmatch(value) else None


def _filler(char: str) -> str:
    if not char.isalnum():
        return char
    return "0" if char.isdigit() else "X" if char.isupper() else "x"


def found_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where e-mail addresses, addresses of the internet and telephone numbers are in a text, in order."""
    spans = [*_emails(text), *(match.span() for match in _PHONE.finditer(text))]
    if text.count(".") >= 3:
        spans += (match.span() for match in _IPV4.finditer(text) if _is_address(match[0]))
    if text.count(":") >= 2:
        spans += (match.span() for match in _IPV6.finditer(text) if _is_address(match[0]))
    yield from sorted(spans)


def _is_password(text: str, start: int) -> bool:
    """Return whether what starts there is the password in a URL, which looks like a part of an e-mail address."""
    return text[start - 1 : start] == ":" and _PASSWORD.search(text, max(0, start - 300), start) is not None


def _emails(text: str) -> Iterator[tuple[int, int]]:
    sign = text.find("@")
    while sign >= 0:
        before = _BEFORE_SIGN.search(text, max(0, sign - _LONGEST_LOCAL_PART), sign)
        after = None if before is None else _AFTER_SIGN.match(text, sign + 1)
        if before is not None and after is not None and not _is_password(text, before.start()):
            yield before.start(), after.end()
        sign = text.find("@", sign + 1)


def _is_address(text: str) -> bool:
    """Return whether a text is the address of a machine that is somebody's."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
