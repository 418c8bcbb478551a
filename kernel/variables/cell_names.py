"""The names of a cell while it is read: what is bound for sure by now, what was read before that, and what later."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .scopes import Scope

_WITHOUT_NAMES = frozenset(
    {ast.Load, ast.Store, ast.Del, ast.Constant, ast.Pass, ast.Global, ast.Nonlocal}
    | {*ast.operator.__subclasses__(), *ast.unaryop.__subclasses__()}
    | {*ast.cmpop.__subclasses__(), *ast.boolop.__subclasses__()}
)
_METHODS: dict[type[ast.AST], Callable[..., None]] = {}
"""By type, as they are met."""


@dataclass(slots=True)
class _Later:
    """What a function reads when it is called."""

    reads: dict[str, None] = field(default_factory=dict)


class CellNames(ast.NodeVisitor):
    """For one cell. `CellReader` says what each kind of node does with them."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.makes: set[str] = set()
        self.opaque: set[str] = set()
        self._cell = self._scope = Scope("cell", None)
        self._ended = False
        """Whether what follows can't be reached: after `raise`, `break`, `continue`."""
        self._later: _Later | None = None
        """Where the reads go of a function that is read now."""
        self._functions: dict[str, _Later] = {}
        self._bound: list[tuple[set[str], str]] = []
        """What has been bound for sure, in order, and in whose names."""

    def read(self, tree: ast.Module) -> None:
        """Functions that the cell has not named may be called by the next: what they read is needed, too."""
        self._block(tree.body)
        self._ended = False
        for name in list(self._functions):
            self._name_function(name)

    def visit(self, node: ast.AST) -> None:
        """As in the base class, without its detours: half the time of an analysis was spent there."""
        kind = type(node)
        if kind in _WITHOUT_NAMES:
            return
        method = _METHODS.get(kind)
        if method is None:
            method = _METHODS[kind] = getattr(type(self), f"visit_{kind.__name__}", CellNames.generic_visit)
        method(self, node)

    def generic_visit(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if type(value) is list:
                for one in value:
                    if isinstance(one, ast.AST):
                        self.visit(one)
            elif isinstance(value, ast.AST):
                self.visit(value)

    # names

    def _read_name(self, written: str) -> None:
        name = self._scope.written(written)
        if self._scope.home(name) is None:
            self._read_cells(name)

    def _read_cells(self, name: str) -> None:
        if self._later is not None:
            self._later.reads[name] = None
            return
        if self._ended:
            return
        if name not in self._cell.local:
            self.needs.add(name)
        self._name_function(name)

    def _name_function(self, name: str) -> None:
        """From here on it may be called."""
        later = self._functions.pop(name, None)
        if later is not None:
            for read in later.reads:
                self._read_cells(read)
            later.reads = {read: None for read in later.reads if read not in self.needs}
            self._functions.setdefault(name, later)

    def _bind(self, written: str) -> None:
        """Also by `del`: what is read after that is not what was there before."""
        name = self._scope.written(written)
        scope = self._scope
        while scope.kind == "comprehension" and name not in scope.local and scope.parent is not None:
            scope = scope.parent  # a walrus
        if scope.kind == "cell" or name in scope.declared_global:
            if not self._ended:
                self.makes.add(name)
            if scope.kind == "cell" and scope is self._scope:
                self._bind_for_sure(scope.local, name)
        elif scope.kind == "class":
            self._bind_for_sure(scope.local, name)
        elif name not in scope.local:  # nonlocal
            self._store_into(name)

    def _store_into(self, name: str) -> None:
        if self._scope.home(name) is None and not self._ended:
            self.makes.add(name)

    # what runs perhaps, or later

    @contextmanager
    def _perhaps(self) -> Iterator[None]:
        """What is bound here is not bound for sure afterwards."""
        mark, ended = len(self._bound), self._ended
        yield
        self._take_back(mark)
        self._ended = ended

    def _bind_for_sure(self, names: set[str], name: str) -> None:
        if name not in names:
            names.add(name)
            self._bound.append((names, name))

    def _take_back(self, mark: int) -> list[tuple[set[str], str]]:
        taken = self._bound[mark:]
        del self._bound[mark:]
        for names, name in taken:
            names.discard(name)
        return taken

    def _one_of(self, ways: Sequence[Callable[[], None]]) -> None:
        """One of the ways is taken: what all have bound that come to their end is bound."""
        mark, ended = len(self._bound), self._ended
        arrived = []
        for way in ways:
            self._ended = ended
            way()
            taken = self._take_back(mark)
            if not self._ended:
                arrived.append({(id(names), name): names for names, name in taken})
        self._ended = not arrived
        for key in arrived[0] if arrived else ():
            if all(key in one for one in arrived):
                self._bind_for_sure(arrived[0][key], key[1])

    @contextmanager
    def _in(self, scope: Scope) -> Iterator[None]:
        outer, self._scope = self._scope, scope
        yield
        self._scope = outer

    def _read_later(self, name: str | None, scope: Scope, body: Iterable[ast.AST]) -> None:
        """Without a name it may be called at once."""
        outermost = self._later is None
        if self._later is None:
            self._later = _Later()
        later = self._later
        with self._in(scope):
            self._visit_all(body)
        if not outermost:
            return
        self._later = None
        if name is None:
            for read in later.reads:
                self._read_cells(read)
        elif not self._ended:
            self._functions.setdefault(name, _Later()).reads.update(later.reads)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _block(self, body: Sequence[ast.stmt]) -> None:
        self._visit_all(body)
