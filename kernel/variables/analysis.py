"""What a cell needs and what it makes, from its syntax alone; pure, and the same each time.

A name that is bound on every way to where it is read is no need; a name on which ways differ is one. What a function
reads is needed where the function is named, and at the latest at the cell's end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import lru_cache

UNREADABLE = "the cell can't be read as Python"
_PROMPT = re.compile(r"\s*In \[\d+\]:")
"""Pasted from a terminal: IPython takes it away, although ``In [1]: x = 5`` is Python."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """`needs`: names read before the cell has bound them for sure, builtins among them.

    `makes`: names that it may bind, delete, or store into (``x[0] = 1``, ``x.a = 1``). A change by a call
    (``x.append(1)``) is none of syntax's business: whatever is needed may be changed.
    `opaque`: what it does that may touch any name, in words: ``exec``, ``%run``. Where it is the name of a builtin, the
    notebook may have a harmless thing of that name: see `touches_everything`.
    """

    needs: frozenset[str]
    makes: frozenset[str]
    opaque: frozenset[str]

    @property
    def touches(self) -> frozenset[str]:
        """What the cell may have changed, if it is not opaque: a call may change what it is given."""
        return self.needs | self.makes

    def touches_everything(self, namespace: Container[str]) -> bool:
        """Whether it may touch any name, in a notebook that has the names of `namespace`."""
        return any(word not in namespace or word == "get_ipython" for word in self.opaque)


@lru_cache(maxsize=512)
def analyse(source: str, transform: Callable[[str], str] | None = None) -> Analysis:
    """The analysis of a cell as the user wrote it.

    `transform` makes Python of IPython's syntax (``shell.transform_cell``). It is asked where the cell is no Python as
    it stands: it takes longer than all the rest.
    """
    from .cell_reader import CellReader

    transform = transform or str
    try:
        tree = None if _PROMPT.match(source) else _parsed(source)
        tree = tree or ast.parse(transform(source))
        reader = CellReader(transform, lazy_annotations=_has_lazy_annotations(tree))
        reader.read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Analysis(frozenset(), frozenset(), frozenset({UNREADABLE}))
    return Analysis(frozenset(reader.needs), frozenset(reader.makes), frozenset(reader.opaque))


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def _has_lazy_annotations(tree: ast.Module) -> bool:
    """With the import from `__future__` they are never evaluated."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )
