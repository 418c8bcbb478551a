"""What every command shares: where its configuration comes from, its words, its help."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, ClassVar, NoReturn

from jupyter_core.paths import jupyter_config_path
from rich.console import Console
from traitlets.config import Application
from traitlets.config.loader import KVArgParseConfigLoader
from traitlets.utils.importstring import import_item

from .. import config
from ..errors import BadRequest

DEBUG_FLAG = {
    "debug": ({"Application": {"log_level": logging.DEBUG}}, "log more, and show the traceback of a failure")
}
WIDTH = 100
_MARGIN = 26

console = Console(soft_wrap=True, highlight=False, markup=False)
"""For what was asked for: whole lines, whatever the terminal's width, so that they can be piped and copied."""
notices = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
"""For what a person should know beside that."""


class Command(Application):
    """One command. Subclasses say their `name`, `description` and `arguments`, and what `run` does.

    Options come from the command line, then from ``farcell_config.py`` in the data folder, then from those in Jupyter's
    configuration folders.
    """

    arguments: ClassVar[str] = ""
    """What follows the name, as shown to people; the number of words allowed is counted from it: ``NAME...`` is one or
    more.
    """
    placeholders: ClassVar[dict[str, str]] = {}
    """What stands behind an option in the help, where that is not the option's last word."""
    aliases: dict[Any, Any] = {}
    flags: dict[Any, Any] = DEBUG_FLAG
    raise_config_file_errors = True
    shown_log_level: ClassVar[int] = logging.ERROR
    """Of everything but this program itself, unless ``--debug`` asks for more."""

    def initialize(self, argv: list[str] | None = None) -> None:
        self.parse_command_line(argv)
        if self.subapp is None:
            self._check_words()
            self.load_config_file("farcell_config", [str(config.data_dir()), *jupyter_config_path()])

    def initialize_subcommand(self, subc: str, argv: Any = None) -> None:
        """Imports the command; unlike traitlets' own, it makes no singleton, for which another program has room."""
        place, _ = self.subcommands[subc]
        self.subapp = import_item(place)(parent=self)
        self.subapp.initialize(argv)

    def start(self) -> None:
        if self.subapp is not None:
            self.subapp.start()
            return
        debugging = self.log_level == logging.DEBUG
        level = logging.DEBUG if debugging else self.shown_log_level
        logging.basicConfig(level=level, format=config.LOG_FORMAT)
        self.run()

    def run(self) -> None:
        """Raises `FarcellError` for whatever its user should be told."""
        raise NotImplementedError

    @property
    def usage(self) -> str:
        return " ".join(filter(None, (self.name, self.arguments, "[options]")))

    def _check_words(self) -> None:
        allowed = self.arguments.split()
        needed = sum(not word.startswith("[") for word in allowed)
        most = len(self.extra_args) if self.arguments.endswith("...") else len(allowed)
        if not needed <= len(self.extra_args) <= most:
            raise BadRequest(f"usage: {self.usage}")

    def _create_loader(self, argv: Any, aliases: Any, flags: Any, classes: Any) -> StrictLoader:
        return StrictLoader(argv, aliases, flags, classes=classes, log=self.log, subcommands=self.subcommands)

    # --- help ---

    def emit_help(self, classes: bool = False) -> Iterator[str]:  # type: ignore[override]  # noqa: FBT001, FBT002
        yield f"usage: {self.usage}\n"
        yield textwrap.fill(self.description, WIDTH)
        yield from _section("commands", {name: told for name, (_, told) in self.subcommands.items()})
        yield from _section("options", {**self._own_options(), "--help": "show this"})
        if classes:
            yield from ("", *(cls.class_get_help() for cls in self._classes_with_config_traits()))
        elif type(self).classes:
            yield "\n--help-all shows what else can be set in farcell_config.py"

    def _own_options(self) -> dict[str, str]:
        taking = {self._option(names): told for names, (_, told) in self.aliases.items()}
        return taking | {_dashed(names): told for names, (_, told) in self.flags.items()}

    def _option(self, names: str | tuple[str, ...]) -> str:
        """``-o, --output PATH``; the long name comes last."""
        long = names if isinstance(names, str) else names[-1]
        return f"{_dashed(names)} {self.placeholders.get(long) or long.rsplit('-', 1)[-1].upper()}"


def _dashed(names: str | tuple[str, ...]) -> str:
    names = (names,) if isinstance(names, str) else names
    return ", ".join(f"--{name}" if len(name) > 1 else f"-{name}" for name in names)


def _section(title: str, rows: dict[str, str]) -> Iterator[str]:
    """Names on the left, what they do on the right."""
    if rows:
        yield f"\n{title}:"
    for name, told in rows.items():
        lines = textwrap.wrap(told, WIDTH - _MARGIN)
        first = f"  {name}".ljust(_MARGIN)
        if len(name) > _MARGIN - 4:
            yield f"  {name}"
            first = " " * _MARGIN
        yield first + lines[0]
        yield from (" " * _MARGIN + line for line in lines[1:])


class StrictLoader(KVArgParseConfigLoader):
    """Raises `BadRequest` for options that the command lacks, where traitlets would warn or end the process."""

    def _create_parser(self) -> None:
        super()._create_parser()
        self.parser.error = _refuse  # type: ignore[method-assign]

    def _parse_args(self, args: Any) -> None:
        for word in takewhile("--".__ne__, args):
            option, _, _ = word.partition("=")
            if option.startswith("--") and "." not in option and option[2:] not in self.flags | self.aliases:
                raise BadRequest(f"there is no option {option}")
        super()._parse_args(args)


def _refuse(message: str) -> NoReturn:
    raise BadRequest(message)
