"""A function's code as source, for a Python of another minor version: its bytecode would mean something else there.

The whole cell travels as text, and is compiled there without being run: so enclosing functions and classes mean what
they meant here. The function is found again by its name, its line and its turn among those alike.
"""

from __future__ import annotations
import __future__

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


class NoSource(Exception):
    """The source of some code is not known, or has changed since."""


@dataclass(frozen=True)
class SourceCode:
    """`turn` counts the codes of the same name that begin in the same line; `flags` are those of ``__future__``."""

    text: str
    filename: str
    qualname: str
    line: int
    turn: int
    flags: int

    def compiled(self) -> CodeType:
        """By this Python; its traceback shows the lines that it had."""
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        cell = compile(self.text, self.filename, "exec", flags, dont_inherit=True)
        alike = [code for code in nested(cell) if _is_alike(code, self.qualname, self.line)]
        lines = self.text.splitlines(keepends=True)
        linecache.cache.setdefault(self.filename, (len(self.text), None, lines, self.filename))
        return alike[self.turn]


def source_of(code: CodeType) -> SourceCode:
    """Raises `NoSource`. What is found is held against the code itself: a file may have changed since."""
    text = "".join(linecache.getlines(code.co_filename))
    flags = code.co_flags & _FUTURES
    try:
        cell = compile(
            text, code.co_filename, "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
    except (SyntaxError, ValueError) as error:
        raise NoSource(f"the source of {code.co_qualname} can't be read") from error
    alike = [one for one in nested(cell) if _is_alike(one, code.co_qualname, code.co_firstlineno)]
    if code not in alike:
        raise NoSource(f"the source of {code.co_qualname} is not known here, or has changed since it was run")
    line, turn = code.co_firstlineno, alike.index(code)
    return SourceCode(text, code.co_filename, code.co_qualname, line, turn, flags)


def nested(code: CodeType) -> Iterator[CodeType]:
    """The codes of all that is defined in one, in the order of its source."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from nested(one)


def _is_alike(code: CodeType, qualname: str, line: int) -> bool:
    return code.co_qualname == qualname and code.co_firstlineno == line
