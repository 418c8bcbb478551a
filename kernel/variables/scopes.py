"""Which names a block of code binds, and where a name that it reads is looked up; pure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True)
class Scope:
    """`local`: in a class or at cell level what is bound for sure by now, else all that the block binds anywhere."""

    kind: str
    """``cell``, ``class``, ``function`` or ``comprehension``."""
    parent: Scope | None
    local: set[str] = field(default_factory=set)
    declared_global: frozenset[str] = frozenset()
    class_name: str | None = None
    """The class whose private names (``__x``) are written here."""

    def home(self, name: str) -> Scope | None:
        """Whose `name` is meant by who reads it here; None for the cell's own.

        A class's names are seen in its body alone; what it has not bound for sure may be the cell's.
        """
        scope: Scope | None = self
        while scope is not None and scope.kind != "cell":
            if name in scope.declared_global:
                return None
            if name == "__class__" and scope.class_name:
                return scope
            if name in scope.local and (scope.kind != "class" or scope is self):
                return scope
            scope = scope.parent
        return None

    def written(self, name: str) -> str:
        """``__x`` in a class is ``_Class__x``."""
        if self.class_name and name.startswith("__") and not name.endswith("__"):
            return f"_{self.class_name.lstrip('_')}{name}" if self.class_name.strip("_") else name
        return name


def function_scope(parent: Scope, node: ast.AST, body: Iterable[ast.AST]) -> Scope:
    """The scope of a function or lambda."""
    found = _Bindings()
    found.look(body)
    arguments: ast.arguments = node.args  # type: ignore[attr-defined]
    names = {one.arg for one in all_arguments(arguments)} | found.bound
    scope = Scope("function", parent, class_name=parent.class_name)
    scope.local = {parent.written(name) for name in names - found.declared_global - found.declared_nonlocal}
    scope.declared_global = frozenset(found.declared_global)
    return scope


def comprehension_scope(parent: Scope, generators: list[ast.comprehension]) -> Scope:
    found = _Bindings()
    for generator in generators:
        found.look([generator.target])
    return Scope("comprehension", parent, found.bound, class_name=parent.class_name)


def class_scope(parent: Scope, node: ast.ClassDef) -> Scope:
    found = _Bindings()
    found.look(node.body)
    return Scope("class", parent, declared_global=frozenset(found.declared_global), class_name=node.name)


def all_arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.posonlyargs
    yield from arguments.args
    yield from arguments.kwonlyargs
    yield from (one for one in (arguments.vararg, arguments.kwarg) if one is not None)


def import_name(alias: ast.alias) -> str:
    """What an import binds: ``import a.b`` binds ``a``."""
    return alias.asname or alias.name.split(".")[0]


class _Bindings:
    """The names that a block binds itself: nested functions, classes and comprehensions bind their own."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.declared_global: set[str] = set()
        self.declared_nonlocal: set[str] = set()

    def look(self, nodes: Iterable[ast.AST]) -> None:
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if isinstance(node, _BINDS):
                self._note(node)
            waiting.extend(_same_block(node))

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                self.bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self.bound.add(name)
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                self.bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                self.bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                self.bound.update(import_name(alias) for alias in names)
            case ast.Global(names=declared):
                self.declared_global.update(declared)
            case ast.Nonlocal(names=declared):
                self.declared_nonlocal.update(declared)


_BINDS = (
    ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar,
    ast.MatchMapping, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal,
)  # fmt: skip
_ENDS = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.alias)


def _same_block(node: ast.AST) -> Iterable[ast.AST]:
    """The children of a node that are in the same block."""
    if isinstance(node, _ENDS):
        return ()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
        outside: list[ast.AST] = list(getattr(node, "decorator_list", ()))
        if isinstance(node, ast.ClassDef):
            return [*outside, *node.bases, *node.keywords]
        return [*outside, *node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
    if isinstance(node, COMPREHENSIONS):
        return [*_walruses(node), node.generators[0].iter]
    return ast.iter_child_nodes(node)


def _walruses(node: ast.AST) -> Iterator[ast.Name]:
    """A walrus in a comprehension binds around that, however deep."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.NamedExpr):
            yield child.target
        if not isinstance(child, FUNCTIONS):
            yield from _walruses(child)
