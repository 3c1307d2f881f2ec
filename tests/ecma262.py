"""What patterns mean, case by case, from ECMA-262 (15th edition, 2024): each case names the clause that decides it.

The texts come from the clauses, not from what an engine does: line terminators (12.3), white space (12.2), code points
beyond ASCII and beyond 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A pattern, texts in which it matches somewhere, and texts in which it does not."""

    clause: str
    pattern: str
    matching: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


LINE_TERMINATORS = ("\n", "\r", "\u2028", "\u2029")
NO_LINE_TERMINATORS = ("x", "\t", "\v", "\f", "\x00", "\x1c", "\x85", "\u00a0", "\ufeff", "\U0001f600")
SPACES = (
    *("\t", "\n", "\v", "\f", "\r", " ", "\u00a0", "\u1680", "\u2000", "\u2005", "\u200a"),
    *("\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"),
)
NO_SPACES = ("x", "\x00", "\x08", "\x1c", "\x1f", "\x85", "\u180e", "\u200b", "\u2060", "\u1fff")
OTHER_DIGITS = ("\u0663", "\u096a", "\uff11", "\u00b2", "\U0001d7ce")
OTHER_LETTERS = ("\u00e9", "\u017f", "\u212a", "\u0430", "\uff21", "\U0001d400")


def case(clause: str, pattern: str, matching: tuple[str, ...], other: tuple[str, ...]) -> Case:
    return Case(clause=clause, pattern=pattern, matching=matching, other=other)


DOT, ASSERTIONS, QUANTIFIERS, CLASSES = "22.2.2.7", "22.2.2.4", "22.2.2.3", "22.2.2.9"
SYNTAX, ALTERNATIVES, ESCAPES = "22.2.1", "22.2.2.3", "22.2.2.7.4"

CASES = (
    case(DOT, "^.$", NO_LINE_TERMINATORS, ("", "xx", *LINE_TERMINATORS)),
    case(DOT, "^a.*b$", ("ab", "a\x85b", "a\tb"), ("a\nb", "a\rb", "a\u2028b", "a\u2029b", "ab\n")),
    case(DOT, "^[.]$", (".",), ("x", "")),
    case(DOT, r"^\.$", (".",), ("x", "")),
    case(DOT, r"^[\s\S]$", (*NO_LINE_TERMINATORS, *LINE_TERMINATORS), ("", "xx")),
    case(ASSERTIONS, "^abc$", ("abc",), ("abc\n", "\nabc", "abc\r\n", "abc\u2028", "abcabc", "")),
    case(ASSERTIONS, "^b", ("b", "bc"), ("a\nb", "\nb", "ab", "")),
    case(ASSERTIONS, "abc$", ("abc", "xabc", "\nabc"), ("abc\n", "abc\nx", "abcx")),
    case(ASSERTIONS, "a$|^b", ("xa", "bx"), ("a\n", "xb", "a\nb\n")),
    case(ASSERTIONS, "^$", ("",), ("\n", " ")),
    case(ASSERTIONS, "$^", ("",), ("x",)),
    case(ASSERTIONS, "x(?:^|$)", ("x", "ax"), ("xa", "x\n")),
    case(
        ASSERTIONS, r"\bfoo\b", ("foo", "a foo.", "-foo-", "\u00e9foo\u00e9", "foo\u017f"), ("foobar", "_foo", "1foo")
    ),
    case(ASSERTIONS, r"^\b", ("a", "_", "0"), ("", " a", "\u00e9", "-")),
    case(ASSERTIONS, r"a\B", ("ab", "aa", "a_"), ("a", "a ", "a\u00e9")),
    case(ASSERTIONS, r"^\B", ("", " a", "\u00e9", "-"), ("a", "_")),
    case(ASSERTIONS, "a(?=b)", ("ab", "aab"), ("a", "ba", "a\nb")),
    case(ASSERTIONS, "^(?=.*[0-9])(?=.*[a-z])[a-z0-9]+$", ("a1", "1a"), ("a", "1", "a1\n", "a-1")),
    case(ASSERTIONS, "^(?!apex_)", ("pk_1", "", "xapex_"), ("apex_", "apex_sk_1")),
    case(ASSERTIONS, "^(?!.)", ("", "\n", "\r", "\u2028", "\u2029a"), ("x", "\x85")),
    case(ASSERTIONS, r"^(?!\d)\w+$", ("a1", "_"), ("1a", "\u0663", "\u00e9", "a\n")),
    case(ASSERTIONS, r"^(?=\s)", ("\ufeff", "\u3000a"), ("\x85", "\u200b", "")),
    case(ASSERTIONS, "(?<=a)b", ("ab", "cab"), ("b", "cb", "a\nb")),
    case(ASSERTIONS, "(?<!a)b", ("b", "cb", "abb"), ("ab", "")),
    case(ASSERTIONS, "^(?!-)[a-z0-9-]{1,63}(?<!-)$", ("a", "a-b", "a" * 63), ("-a", "a-", "", "a" * 64, "a\n")),
    case(ASSERTIONS, "^(?:(?!--)[a-z-])+$", ("a-b", "-"), ("a--b", "", "a\n")),
    case(ASSERTIONS, r"(?<=\bfoo)(?!\w)", ("foo", "a foo", "foo\u00e9"), ("foob", "xfoo")),
    case(QUANTIFIERS, "^a*$", ("", "a", "aaa"), ("b", "a\n")),
    case(QUANTIFIERS, "^a+$", ("a", "aaa"), ("", "ab")),
    case(QUANTIFIERS, "^a?$", ("", "a"), ("aa",)),
    case(QUANTIFIERS, "^a{2}$", ("aa",), ("a", "aaa")),
    case(QUANTIFIERS, "^a{2,}$", ("aa", "aaaa"), ("a", "")),
    case(QUANTIFIERS, "^a{1,2}$", ("a", "aa"), ("", "aaa")),
    case(QUANTIFIERS, "^a{0}$", ("",), ("a",)),
    case(QUANTIFIERS, "^a+?b*?$", ("a", "aab"), ("b", "ba")),
    case(QUANTIFIERS, "^(?:ab){2}?$", ("abab",), ("ab", "ababab")),
    case(QUANTIFIERS, "^(a*)*$", ("", "aaa"), ("ab",)),
    case(QUANTIFIERS, "^\U0001f600{2}$", ("\U0001f600\U0001f600",), ("\U0001f600",)),
    case(ALTERNATIVES, "^(?:a|bc|)$", ("a", "bc", ""), ("b", "ab")),
    case(ALTERNATIVES, "^a|b$", ("ax", "xb"), ("xa", "bx")),
    case(ALTERNATIVES, "", ("", "x"), ()),
    case(CLASSES, r"^\d$", tuple("0123456789"), (*OTHER_DIGITS, "a", "")),
    case(CLASSES, r"^\D$", (*OTHER_DIGITS, "a", "\n"), ("0", "9", "")),
    case(CLASSES, r"^\w$", ("a", "z", "A", "Z", "0", "9", "_"), (*OTHER_LETTERS, *OTHER_DIGITS, "-", "")),
    case(CLASSES, r"^\W$", (*OTHER_LETTERS, *OTHER_DIGITS, "-", "\n"), ("a", "Z", "0", "_", "")),
    case(CLASSES, r"^\s$", SPACES, NO_SPACES),
    case(CLASSES, r"^\S$", NO_SPACES, SPACES),
    case(CLASSES, r"^\S(?:.*\S)?$", ("a", "a b", "a\x85"), (" a", "a ", "a\n", "\ufeffa", "a\u2028", "a\nb")),
    case(CLASSES, r"^[\s\d]$", ("\ufeff", "\u2029", "7"), ("\x85", "\u0663", "a")),
    case(CLASSES, r"^[^\s]$", NO_SPACES, SPACES),
    case(CLASSES, r"^[\S]$", NO_SPACES, SPACES),
    case(CLASSES, r"^[^\D]$", ("0", "9"), (*OTHER_DIGITS, "a")),
    case(CLASSES, r"^[a\W]$", ("a", "-", "\u00e9"), ("b", "_")),
    case(CLASSES, r"^[\w.-]+$", ("a.b-c", "_"), ("a b", "\u00e9")),
    case(CLASSES, "^[^a]$", ("b", "\n", "\u2028", "\U0001f600"), ("a", "")),
    case(CLASSES, "^[a-c]$", ("a", "b", "c"), ("d", "-", "B")),
    case(CLASSES, "^[a-c-e]$", ("a", "c", "-", "e"), ("d",)),
    case(CLASSES, "^[-a]$", ("-", "a"), ("b",)),
    case(CLASSES, "^[a-]$", ("-", "a"), ("b",)),
    case(CLASSES, r"^[a\-c]$", ("a", "-", "c"), ("b",)),
    case(CLASSES, "^[!--]$", ("!", "#", "-"), (".", "a")),
    case(CLASSES, "^[$^.|?*+(){}]$", tuple("$^.|?*+(){}"), ("a", "")),
    case(CLASSES, r"^[\]\\]$", ("]", "\\"), ("[",)),
    case(CLASSES, "^[\u4e00-\u9fff]$", ("\u4e00", "\u7a7a", "\u9fff"), ("a", "\u4dff", "\ua000")),
    case(CLASSES, "^[\U0001f600-\U0001f64f]$", ("\U0001f600", "\U0001f64f"), ("\U0001f650", "a")),
    case(ESCAPES, r"^\t\n\v\f\r$", ("\t\n\v\f\r",), ("tnvfr",)),
    case(ESCAPES, r"^[\t\n\v\f\r]$", tuple("\t\n\v\f\r"), ("t", "n", " ")),
    case(CLASSES, r"^[\b]$", ("\x08",), ("b", "", "\\")),
    case(ESCAPES, r"^\x41\u00e9\u2028$", ("A\u00e9\u2028",), ("x41", "")),
    case(ESCAPES, r"^[\x41-\x43\u2000-\u200a]$", ("A", "C", "\u2005"), ("D", "\u200b")),
    case(ESCAPES, r"^\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/$", ("^$\\.*+?()[]{}|/",), ("",)),
    case(SYNTAX, "^[a-z0-9]+(?:_[a-z0-9]+)*$", ("a", "a_1", "1a"), ("a\n", "_a", "a__b", "A", "\uff41", "")),
    case(SYNTAX, "^# &~'\"<>,;:=!@%`-$", ("# &~'\"<>,;:=!@%`-",), ("",)),
    case(SYNTAX, "^((a)|(b))+$", ("ab", "ba"), ("c", "")),
)

BEYOND_UNICODE_MODE = (
    case("B.1.2", "^]}$", ("]}",), ("", "]")),
    case("B.1.2", r"^\-$", ("-",), ("\\-",)),
    case("B.1.2", "^[[a]$", ("[", "a"), ("]",)),
    case("B.1.2", "^[a&&b]$", ("a", "b", "&"), ("a&&b",)),
    case("B.1.2", "^[[:alpha:]]$", ("a]", ":]", "[]"), ("a", "b]")),
)
"""Cases whose syntax the `u` flag forbids or the `v` flag changes, and annex B does not."""

NOT_FOR_PYTHON = (case(ASSERTIONS, "(?<=a+)b", ("ab", "aab"), ("b", "cb")),)
"""Cases that Python's engine cannot read: it looks back over a fixed number of characters only."""

ALL_CASES = (*CASES, *BEYOND_UNICODE_MODE, *NOT_FOR_PYTHON)
