"""Reads a cell in the order in which it runs, and notes what it reads before it has bound it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from . import frame_readers
from .cell_names import CellNames
from .magics import Magic, magic_called
from .scopes import Scope, all_arguments, class_scope, comprehension_scope, function_scope, import_name

# ruff: noqa: N802 (ast's names)

Function = ast.FunctionDef | ast.AsyncFunctionDef


class CellReader(CellNames):
    """What each kind of node does. `transform` makes Python of the code that a magic runs."""

    def __init__(self, transform: Callable[[str], str], *, lazy_annotations: bool) -> None:
        super().__init__()
        self._transform = transform
        self._lazy_annotations = lazy_annotations

    # expressions

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)
            return
        self._read_name(node.id)
        if isinstance(node.ctx, ast.Del):
            self._bind(node.id)
        elif node.id in frame_readers.BUILTINS and self._scope.home(node.id) is None:
            self._look_around(node.id)

    def _look_around(self, name: str) -> None:
        if name not in self._cell.local and not self._ended:
            self.opaque.add(name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        if node.attr in frame_readers.ATTRIBUTES:
            self.opaque.add(f".{node.attr}")
        self._note_store(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        self.visit(node.slice)
        self._note_store(node)

    def _note_store(self, node: ast.Attribute | ast.Subscript) -> None:
        """``x.a(b)[0] = 1`` stores into ``x``, and ``f(x)[0] = 1`` who knows where."""
        if isinstance(node.ctx, ast.Load):
            return
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
            if isinstance(root, ast.Call) and isinstance(root.func, ast.Attribute):
                root = root.func
        if isinstance(root, ast.Name):
            self._store_into(self._scope.written(root.id))

    def visit_Call(self, node: ast.Call) -> None:
        magic = magic_called(node)
        if magic is not None:
            self._read_magic(magic)
            return
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name in frame_readers.WITHOUT_ARGUMENTS and (node.args or self._in_function()):
            self._read_name(name)
        else:
            self.visit(node.func)
        self._visit_all([*node.args, *node.keywords])
        text = frame_readers.text_read_by(node)
        if text is not None:
            self._read_text(node, text)

    def _in_function(self) -> bool:
        scope: Scope | None = self._scope
        while scope is not None and scope.kind == "comprehension":
            scope = scope.parent
        return scope is not None and scope.kind == "function"

    def _read_text(self, call: ast.Call, text: ast.expr) -> None:
        """Names in the text of ``frame.query("x > @limit")``."""
        constant = frame_readers.constant_text(text)
        if constant is None:
            self.opaque.add(f"{frame_readers.called_name(call)}() of a text that is made elsewhere")
            return
        for name in frame_readers.names_in(constant):
            self._read_name(name)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        with self._perhaps():
            self._visit_all(node.values[1:])

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        self.visit(node.comparators[0])
        with self._perhaps():
            self._visit_all(node.comparators[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._one_of([lambda: self.visit(node.body), lambda: self.visit(node.orelse)])

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._visit_all([key, value])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all([*node.args.defaults, *node.args.kw_defaults])
        self._read_later(None, function_scope(self._scope, node, [node.body]), [node.body])

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        """Its first iterable is evaluated around it; the rest may run never."""
        first, *others = node.generators
        self.visit(first.iter)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        with self._perhaps(), self._in(comprehension_scope(self._scope, node.generators)):
            self._visit_all([first.target, *first.ifs])
            for generator in others:
                self._visit_all([generator.iter, generator.target, *generator.ifs])
            self._visit_all(results)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815 (ast's names)

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        self._visit_all([node.value, *node.targets])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read_name(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._visit_all([node.value, node.target])
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)
        if self._scope.kind != "function":
            self._annotations([node.annotation])

    def _annotations(self, nodes: Iterable[ast.expr | None]) -> None:
        if not self._lazy_annotations:
            self._visit_all(nodes)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        with self._perhaps():
            self.visit(node.target)
            self._block(node.body)
        with self._perhaps():
            self._block(node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        with self._perhaps():
            self._block(node.body)
        with self._perhaps():
            self._block(node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._one_of([lambda: self._block(node.body), lambda: self._block(node.orelse)])

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """It may swallow an exception: after it, only what its first manager was made of is sure."""
        first = node.items[0]
        self.visit(first.context_expr)
        with self._perhaps():
            self._visit_all([first.optional_vars, *node.items[1:]])
            self._block(node.body)
        if isinstance(first.optional_vars, ast.Name):
            self._bind(first.optional_vars.id)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        mark, ended = len(self._bound), self._ended

        def succeeds() -> None:
            self._block([*node.body, *node.orelse])

        def fails(handler: ast.ExceptHandler) -> Callable[[], None]:
            return lambda: self.visit(handler)

        self._one_of([succeeds, *map(fails, node.handlers)])
        taken, tried = self._take_back(mark), self._ended
        self._ended = ended
        self._block(node.finalbody)
        self._ended |= tried
        for names, name in taken:
            self._bind_for_sure(names, name)

    visit_TryStar = visit_Try  # noqa: N815

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._visit_all([node.type])
        if node.name:
            self._bind(node.name)
        self._block(node.body)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)

        def takes(case: ast.match_case) -> Callable[[], None]:
            return lambda: self._visit_all([case.pattern, case.guard, *case.body])

        last = node.cases[-1]
        takes_all = (
            last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        )
        self._one_of([*map(takes, node.cases), *([] if takes_all else [lambda: None])])

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._visit_all([node.pattern])
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._visit_all([*node.keys, *node.patterns])
        if node.rest:
            self._bind(node.rest)

    def visit_Assert(self, node: ast.Assert) -> None:
        """With ``-O`` it does not run at all."""
        with self._perhaps():
            self._visit_all([node.test, node.msg])

    def _leave(self, node: ast.Raise | ast.Break | ast.Continue | ast.Return) -> None:
        self.generic_visit(node)
        if self._later is None:
            self._ended = True

    visit_Raise = visit_Break = visit_Continue = visit_Return = _leave  # noqa: N815

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        modules = (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
        self.opaque.update(f"import {name}" for name in frame_readers.MODULES.intersection(modules))
        for alias in node.names:
            if alias.name == "*":
                self.opaque.add(f"from {'.' * getattr(node, 'level', 0)}{modules[0]} import *")
            else:
                self._bind(import_name(alias))

    visit_Import = visit_ImportFrom = _import  # noqa: N815

    def visit_FunctionDef(self, node: Function) -> None:
        arguments = node.args
        self._visit_all([*node.decorator_list, *arguments.defaults, *arguments.kw_defaults])
        scope = self._with_type_parameters(node)
        with self._in(scope):
            self._annotations([*(one.annotation for one in all_arguments(arguments)), node.returns])
        self._read_later(self._known_as(node), function_scope(scope, node, node.body), node.body)
        self._bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def _known_as(self, node: Function | ast.ClassDef) -> str | None:
        """The cell's name through which alone a function can be reached; a decorator may call it at once."""
        if node.decorator_list or (isinstance(node, ast.ClassDef) and (node.bases or node.keywords)):
            return None
        return node.name if self._scope.kind == "cell" else self._scope.class_name and self._class_known_as

    _class_known_as: str | None = None

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all(node.decorator_list)
        known_as = self._known_as(node)
        outer, self._class_known_as = self._class_known_as, known_as
        scope = self._with_type_parameters(node)
        with self._in(scope):
            self._visit_all([*node.bases, *node.keywords])
        with self._in(class_scope(scope, node)):
            self._block(node.body)
        self._class_known_as = outer
        self._bind(node.name)

    def _with_type_parameters(self, node: ast.AST) -> Scope:
        """The scope of ``[T: bound]``, where there are some."""
        parameters = getattr(node, "type_params", [])
        if not parameters:
            return self._scope
        scope = Scope("comprehension", self._scope, {one.name for one in parameters})
        scope.class_name = self._scope.class_name
        self._read_later(None, scope, [field for one in parameters for field in ast.iter_child_nodes(one)])
        return scope

    def visit_TypeAlias(self, node: ast.AST) -> None:
        """Evaluated when somebody asks for its value."""
        name, value = node.name.id, node.value  # type: ignore[attr-defined]
        scope = Scope("function", self._with_type_parameters(node))
        self._read_later(name if self._scope.kind == "cell" else None, scope, [value])
        self._bind(name)

    # IPython's own

    def _read_magic(self, magic: Magic) -> None:
        if not magic.is_known:
            self.opaque.add(str(magic))
            return
        for expression in magic.expressions():
            self._read_expanded(expression)
        for code in magic.python():
            self._read_code(code, str(magic))
        for name in magic.binds():
            self._bind(name)

    def _read_expanded(self, expression: str) -> None:
        """IPython leaves alone what it can't evaluate."""
        try:
            self.visit(ast.parse(f'f"""{{{expression}}}"""' if '"""' not in expression else expression))
        except (SyntaxError, ValueError):
            return

    def _read_code(self, code: str, said: str) -> None:
        try:
            tree = ast.parse(self._transform(code))
        except (SyntaxError, ValueError):
            self.opaque.add(said)
            return
        self._block(tree.body)
