"""Patterns that are written to take long, each with the texts that make it so, as long as an event may have them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

LONGEST: Final = 5_242_880
"""Characters of a text that fills the largest body that a shipped contract takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evil:
    """A pattern, and what makes its worst texts of a length."""

    pattern: str
    texts: tuple[Callable[[int], str], ...]


def repeated(part: str, end: str = "") -> Callable[[int], str]:
    """Return what makes texts of one part over and over, with another end."""
    return lambda length: part * ((length - len(end)) // len(part)) + end


@cache
def _drawn(alphabet: str, length: int) -> str:
    return "".join(random.Random(1).choices(alphabet, k=length))


def drawn(alphabet: str) -> Callable[[int], str]:
    """Return what makes texts of characters at random, always the same ones."""
    return lambda length: _drawn(alphabet, min(length, 200_000)) * max(1, length // 200_000)


def evil(pattern: str, *texts: Callable[[int], str]) -> Evil:
    return Evil(pattern=pattern, texts=texts)


A, Z, AB = repeated("a", "!"), repeated("z", "!"), drawn("ab")
DOTS = repeated("a.", "!")
WORDS = "|".join(f"{number:04x}" for number in range(5_000))
SPARSE = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 1_000, 2))

EVIL: Final = (
    # nested repeats, exponential for an engine that goes back
    evil("(z+)+y", Z),
    evil("^(a+)+$", A),
    evil("^(a*)*$", A),
    evil("(a*)*b", A),
    evil("((a*)*)*b", A),
    evil("(a|a)*b", A),
    evil("(a|aa)+$", A),
    evil("^(([a-z])+.)+[A-Z]([a-z])+$", A),
    evil("^((((((a+)+)+)+)+)+)+$", A),
    evil("(?:(?:)*)*b", A),
    evil(r"^(\w+\s?)*$", repeated("word ", "!"), A),
    # e-mail addresses
    evil("^([a-zA-Z0-9]+[._-]?)+@[a-z]+[.]com$", A, DOTS),
    evil(r"^([a-zA-Z0-9_.+-]+)+@([a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}$", A, repeated("a@a.", "!")),
    evil(r"^[\w.+-]{1,64}@[\w.-]{1,255}\.[a-z]{2,24}$", A, repeated("a", "@a"), lambda n: "a@" + "a." * (n // 2)),
    evil(".{5,100}@.{2,50}$", repeated("@", "\n"), drawn("@a"), A),
    evil("^.{5,100}@.{2,50}$", repeated("@", "\n"), drawn("@a"), A),
    # polynomial
    evil("(.*a){20}b", AB, A),
    evil(r"\s+$", repeated(" ", "x")),
    evil(".*.*.*.*=.*.*", A),
    evil("^.*$|^(.+)*b$", repeated("a", "\n")),
    # many states for an engine that keeps all places
    evil("[ab]*a[ab]{15}c", AB),
    evil("[ab]*a[ab]{100}c", AB),
    evil("[ab]*a[ab]{1000}c", AB),
    evil("(a[ab]{9}|b[ab]{10})+c$", AB),
    evil("(?:a?){30}a{30}b", A, AB),
    evil("(?:.?){200}=$", A, AB),
    evil("(z{1,40}){1,40}[yY]", Z),
    evil("(z{1,400}){1,40}[yY]", Z),
    evil("(x{1,1000}){1,1000}y", repeated("x")),
    evil(".{0,500}foo.{0,500}$", repeated("foo", "\n"), drawn("fo")),
    evil("(?:a|b|ab){500}c", AB),
    evil("a{1,99999999999999999999}", A),
    evil("((((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}){9})", A),
    # large sets of characters
    evil(r"(\W\S){200}x", repeated("\u4e00"), drawn("\u4e00 \U0001f600")),
    evil(f"[{SPARSE}]+x", drawn(SPARSE)),
    evil(f"[{SPARSE}]{{3}}[ab]", drawn(SPARSE)),
    evil(f"([{SPARSE}]|[^{SPARSE}]x)*$", drawn(SPARSE), drawn(SPARSE + "x")),
    evil(r"[^\x00-\uffff]+x", repeated("\U0001f600")),
    # boundaries of words
    evil(r"(?:\b\w+\b\s*)+$", repeated("ab ", "!"), A),
    evil(r"(\b|\B)*b", A),
    evil(r"(?:\ba?|\B){60}c", A, drawn("a ")),
    evil(r"\b(?:a|b)*a[ab]{12}\b[ab]", drawn("aab "), AB),
    # look-around
    evil("^(?=.*a)(?=.*b)(?=.*c)(?=.*d).{8,}$", AB, A),
    evil("^(?!.*(a+)+$)a", A, AB),
    evil("(?!.*(a+)+$)b", A, AB),
    evil("(?<=a+)b", A, AB),
    evil("(?<!a+)b", A),
    evil("(?<=(?:a|b)*a[ab]{15})c", AB),
    evil("^(?:(?=a)a|aa)+$", A),
    evil(r"(?<=a)(?:\ba?|\B){60}c", A, drawn("a ")),
    evil("(?<=a)(?:(?=a)a?|(?!b)){8}c", A, AB),
    evil("(?<=^(?:a|aa)+)b(?=c)", A, AB),
    evil("(?:(?=.*y)x)*!", repeated("x", "yx")),
    evil("(?:(?:(?=(?:.*y)+)(?<=x.*)x*?)*?z?)*?!", repeated("x", "yx")),
    evil("^(?:(?!foo).)*$", A, repeated("fo")),
    evil("(?=(?:a{1,40}){1,40}b)c", A),
    evil("(?:(?=a{1,9})(?=a{1,8})(?!a{1,7}b)){20}a", A),
    evil("^" + "(?=a)" * 400, A),
    evil("^" + "(?=(?:a|b)*a[ab]{15}c)" * 40, AB),
    evil("a" + "(?<!b)" * 300 + "$", A),
    # large patterns
    evil("(" * 5_000 + ")" * 5_000, A),
    evil("(" * 1_000 + "a" + ")*" * 1_000, A),
    evil("(" * 50 + "a" + "+)" * 50 + "$", A),
    evil(WORDS, drawn("0123456789abcdef")),
    evil(WORDS[:2_000].rpartition("|")[0] + "|x", drawn("0123456789abcdef")),
    evil("a" * 15_000_000, A),
    evil("a?" * 1_000 + "$", A),
    evil("(?:" + "a?" * 900 + ")*b", A),
    evil("[a-c][a-d][b-e]" * 100 + "$", drawn("abcde")),
)
