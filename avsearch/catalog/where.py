"""The language of filters: `label=drum and duration>=10 and not path='**/drafts/**'` -> a tree of conditions.

    filter      any
    any         all {"or" all}
    all         one {"and" one}
    one         "not" one | "(" any ")" | FIELD OPERATOR VALUE
    VALUE       a word, or a text in '...' or "..." in which the quote itself stands twice

Nothing is opened or asked here, and whatever the text is, reading it costs no more than its bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from avsearch.catalog.conditions import AllOf, AnyOf, Comparison, Condition, Not
from avsearch.catalog.fields import Field, Operator, operators_of
from avsearch.catalog.globs import is_glob
from avsearch.errors import UsageError

MAX_LENGTH = 4096  # characters
MAX_DEPTH = 20  # of parentheses and `not`
MAX_COMPARISONS = 64
MAX_PATTERNS = 16  # each is matched against every path below its folder

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<operator>[!<>]=|[=<>])
      | (?P<bracket>[()])
      | (?P<word>[^\s'"()=<>!]+)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_SHOWN = 40  # characters of what is not understood
_FORM_HINT = "Write FIELD=VALUE, joined by and, or, not and parentheses; a VALUE with spaces in quotes."
_FIELDS_HINT = f"Fields are {', '.join(Field)}."


class _Token(NamedTuple):
    kind: str
    text: str
    at: int  # first character, counted from 1


def parse_where(text: str) -> Condition:
    """Read a filter.

    Raises:
        UsageError: it cannot be understood, and where; or it is too long, too deep or too much.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"The filter has {len(text)} characters; {MAX_LENGTH} are the limit.", hint=_FORM_HINT)
    if not text.strip():
        raise UsageError("The filter is empty.", hint=f"{_FORM_HINT} {_FIELDS_HINT}")
    return _Parser(text).parse()


class _Parser:
    """One reading of one text, token by token."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._depth = 0
        self._comparisons: list[Comparison] = []

    def parse(self) -> Condition:
        condition = self._any()
        if self._is_bracket(")"):
            _refuse(self._next, "this parenthesis closes none")
        if self._next.kind != "end":
            _refuse(self._next, "and, or, or the end should come here")
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._takes_word("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._takes_word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Condition:
        first = self._next
        if self._takes_word("not"):
            self._descend(first)
            negated = Not(self._one())
            self._depth -= 1
            return negated
        return self._group() if self._is_bracket("(") else self._comparison()

    def _group(self) -> Condition:
        first = self._take()
        self._descend(first)
        inside = self._any()
        if not self._is_bracket(")"):
            _refuse(first, "this parenthesis is not closed")
        self._take()
        self._depth -= 1
        return inside

    def _comparison(self) -> Comparison:
        name = self._field()
        operator = self._operator(name)
        value = self._next
        if value.kind not in {"text", "word"}:
            _refuse(value, f"a value of {name} should come here")
        self._take()
        try:
            comparison = Comparison(name, operator, value.text)
        except ValueError as error:
            wanted = str(error)
            _refuse(value, f"{_shown(value.text)} is no {name}", hint=f"{wanted[0].upper()}{wanted[1:]}.")
        return self._counted(comparison, value)

    def _field(self) -> Field:
        token = self._next
        if token.kind != "word":
            _refuse(token, "a field should come here", hint=f"{_FORM_HINT} {_FIELDS_HINT}")
        name = token.text.lower()
        if name not in tuple(Field):
            close = get_close_matches(name[:_SHOWN], list(Field), 1)
            meant = f"Did you mean {close[0]}? " if close else ""
            _refuse(token, f"{_shown(token.text)} is no field", hint=meant + _FIELDS_HINT)
        self._take()
        return Field(name)

    def _operator(self, name: Field) -> Operator:
        token, allowed = self._next, operators_of(name)
        if token.kind != "operator" or token.text not in allowed:
            _refuse(token, f"an operator of {name} should come here", hint=f"{name} takes {' '.join(allowed)}.")
        self._take()
        return Operator(token.text)

    def _counted(self, comparison: Comparison, token: _Token) -> Comparison:
        self._comparisons.append(comparison)
        patterns = [one for one in self._comparisons if one.field is Field.PATH and is_glob(one.text)]
        if len(self._comparisons) > MAX_COMPARISONS or len(patterns) > MAX_PATTERNS:
            _refuse(
                token, f"more than {MAX_COMPARISONS} comparisons, or {MAX_PATTERNS} patterns of paths, are too many"
            )
        return comparison

    def _descend(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(token, f"conditions lie more than {MAX_DEPTH} deep in each other")

    def _takes_word(self, word: str) -> bool:
        is_there = self._next.kind == "word" and self._next.text.lower() == word
        if is_there:
            self._take()
        return is_there

    def _is_bracket(self, bracket: str) -> bool:
        return self._next.kind == "bracket" and self._next.text == bracket

    def _take(self) -> _Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token


def _tokens(text: str) -> Iterator[_Token]:
    """What the text is made of, one after the other; its end too."""
    at = 0
    while found := _TOKEN.match(text, at):
        kind = str(found.lastgroup)
        token = found[kind]
        if kind == "text":
            token = token[1:-1].replace(token[0] * 2, token[0])
        yield _Token(kind, token, found.start(kind) + 1)
        if kind == "end":
            return
        at = found.end()
    at += len(text[at:]) - len(text[at:].lstrip())
    wrong = "this text does not end" if text[at] in "'\"" else f"{_shown(text[at])} means nothing here"
    _refuse(_Token("", text[at], at + 1), wrong)


def _refuse(token: _Token, why: str, *, hint: str = _FORM_HINT) -> NoReturn:
    raise UsageError(f"The filter cannot be understood at character {token.at}: {why}.", hint=hint)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
