"""Code that reads the cell's names without naming them: what the syntax shows of it; pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

BUILTINS = frozenset({"exec", "eval", "globals", "locals", "vars", "dir", "get_ipython", "breakpoint"})
"""Builtins (and IPython's own names) that may read or write any name of the cell."""
WITHOUT_ARGUMENTS = frozenset({"locals", "vars", "dir"})
"""Those that look at the cell's names only where they are called without arguments, outside of functions."""
ATTRIBUTES = frozenset(
    {
        "_getframe", "currentframe", "f_globals", "f_locals", "f_back", "__globals__", "__builtins__",
        "get_objects", "get_referrers", "user_ns", "user_global_ns", "run_cell", "run_code", "getframeinfo",
    }
)  # fmt: skip
"""Attributes by which code gets at a namespace."""
MODULES = frozenset({"__main__", "builtins"})
"""Modules that are such a namespace, or are looked up in before one."""
TEXT_READERS = frozenset(
    {"query", "eval", "evaluate", "sql", "execute", "from_formula", "dmatrix", "dmatrices"}
)
"""Functions that look names of their text up in their caller's frame: pandas, numexpr, DuckDB, polars, patsy."""
FORMULAS = frozenset(
    {"ols", "gls", "wls", "glm", "logit", "probit", "poisson", "mixedlm", "gee", "rlm", "quantreg"}
)
"""The same, where the text is the first argument or is called `formula`: statsmodels."""

_IDENTIFIER = re.compile(r"(?<![\w.])[^\W\d]\w*")


def called_name(call: ast.Call) -> str | None:
    """``query`` of ``frame.query(…)``; None for what has no name."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return None


def text_read_by(call: ast.Call) -> ast.expr | None:
    """The text in which such a function looks for names."""
    name = called_name(call)
    if name not in TEXT_READERS | FORMULAS or (isinstance(call.func, ast.Name) and name == "eval"):
        return None
    by_keyword = [one.value for one in call.keywords if one.arg in {"formula", "expr", "query", "ex"}]
    return next(iter([*call.args, *by_keyword]), None)


def names_in(text: str) -> Iterator[str]:
    """All that may be names in an expression of whatever language."""
    yield from _IDENTIFIER.findall(text)


def constant_text(node: ast.expr) -> str | None:
    """What stands in a string, also in an f-string without the values; None where it comes from elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = constant_text(left), constant_text(right)
            return None if None in texts else " ".join(filter(None, texts))
    return None
