"""What IPython's magics do to a cell's names, as far as that is known; pure.

Python has been made of them already: ``%time f(x)`` is ``get_ipython().run_line_magic('time', 'f(x)')``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

RUN_PYTHON = frozenset({"time", "timeit", "prun", "memit", "mprun", "lprun", "local"})
"""Magics whose line or body is Python that runs among the cell's names."""
SHOW_NAMES = frozenset({"pinfo", "pinfo2", "pdef", "pdoc", "psource", "pfile"})
"""Magics whose line is an expression that is looked at."""
TOUCH_NOTHING = frozenset(
    {
        "alias", "autoawait", "bash", "cd", "cmd", "colors", "conda", "config", "dhist", "dirs", "doctest_mode", "env",
        "gpu", "html", "javascript", "js", "latex", "ls", "ll", "lsmagic", "magic", "mamba", "markdown", "matplotlib",
        "micromamba", "mkdir", "perl", "pip", "popd", "pprint", "precision", "psearch", "pushd", "pwd", "quickref",
        "ruby", "script", "set_env", "sh", "svg", "sx", "system", "unalias", "uv", "writefile",
    }
)  # fmt: skip
"""Magics that touch no name but those that stand as ``$name`` or ``{…}`` in their line."""
BINDS_OUTPUT = frozenset({"bash", "sh", "script", "perl", "ruby", "cmd"})

_OPTION = re.compile(r"\s*-{1,2}[A-Za-z](?:\s*\d+(?=\s|$)|[\w-]*)(?=\s|$)")
_DOLLAR = re.compile(r"\$(\$|[A-Za-z_]\w*)?")
_OUTPUT = re.compile(r"--(?:out|err|proc)[ =]+(\w+)")
_CAPTURED = re.compile(r"(?<!\S)(?!-)(\w+)")


@dataclass(frozen=True, slots=True)
class Magic:
    """`kind`: ``line``, ``cell`` or ``shell``."""

    kind: str
    name: str
    line: str
    body: str = ""

    def __str__(self) -> str:
        return {"line": "%", "cell": "%%", "shell": "!"}[self.kind] + self.name

    @property
    def is_known(self) -> bool:
        return self.kind == "shell" or self.name in {*RUN_PYTHON, *SHOW_NAMES, *TOUCH_NOTHING, "capture"}

    def python(self) -> Iterator[str]:
        """The code that it runs, which may have magics of its own."""
        if self.name in RUN_PYTHON and self.kind != "shell":
            yield _without_options(self.line) if self.name != "local" else ""
            yield self.body
        elif self.name == "capture":
            yield self.body

    def expressions(self) -> Iterator[str]:
        """Expressions whose values are put into its line."""
        if self.name in SHOW_NAMES and self.kind == "line":
            yield self.line
        elif self.name not in RUN_PYTHON or self.kind == "shell":
            yield from expanded(self.line)

    def binds(self) -> Iterator[str]:
        if self.kind == "cell" and self.name in BINDS_OUTPUT:
            yield from _OUTPUT.findall(self.line)
        elif self.kind == "cell" and self.name == "capture":
            yield from _CAPTURED.findall(self.line)
        elif self.name == "timeit" and "-o" in self.line.split():
            yield "_"


def magic_called(call: ast.Call) -> Magic | None:
    """The magic that a call in transformed code stands for."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=attribute),
            args=arguments,
        ):
            words = [
                one.value for one in arguments if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            match attribute, words:
                case "run_line_magic", [name, line]:
                    return Magic("line", name, line)
                case "run_cell_magic", [name, line, body]:
                    return Magic("cell", name, line, body)
                case "system" | "getoutput", [line]:
                    return Magic("shell", "", line)
    return None


def expanded(line: str) -> Iterator[str]:
    """The expressions for which IPython puts values into a line: ``{f(x)}``, ``$name``.

    Where the braces are no format at all (``awk '{print $1}'``), IPython leaves the line as it is.
    """
    try:
        parts = list(Formatter().parse(line))
    except ValueError:
        return
    for text, expression, form, _ in parts:
        yield from (name for name in _DOLLAR.findall(text) if name not in {"", "$"})
        if expression is not None:
            yield expression + (f":{form}" if form else "")


def _without_options(line: str) -> str:
    while option := _OPTION.match(line):
        line = line[option.end() :]
    return line
