"""The program as a whole: its help, its exit codes, where its configuration comes from."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from farcell_command import Person

from farcell.remote_runtime.cli.application import _COMMANDS, Farcell
from farcell.remote_runtime.cli.kernel import Kernels
from farcell.remote_runtime.cli.user import Users

HEAVY = {"alembic", "jupyter_client", "sqlalchemy", "tornado", "zmq"}
COMMANDS = [
    *([name] for name in _COMMANDS),
    *(["kernel", name] for name in Kernels.subcommands),
    *(["user", name] for name in Users.subcommands),
]


@pytest.fixture
def help_of(capsys: pytest.CaptureFixture[str]):
    def help_of(*words: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            Farcell().initialize([*words, "--help"])
        return capsys.readouterr().out

    return help_of


def test_help_names_each_command_on_one_screen(help_of):
    shown = help_of()
    assert len(shown.splitlines()) <= 24
    for name, (_, told) in _COMMANDS.items():
        assert f"  {name}" in shown
        assert told in shown


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_a_command_is_short_and_says_how_to_call_it(help_of, words):
    shown = help_of(*words)
    assert shown.startswith(f"usage: farcell {' '.join(words)}")
    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 100


def test_all_that_a_configuration_can_set_is_in_the_long_help(person: Person):
    shown = person.told("serve", "--help-all")
    assert "--Gateway.lease_s" in shown
    assert "--Gateway.spawners" in shown


def test_without_a_command_help_is_shown(person: Person):
    assert person.told().startswith("usage: farcell COMMAND")


def test_help_loads_no_server_and_no_database():
    code = (
        "import json, sys\n"
        "from farcell.remote_runtime.cli.application import main\n"
        "sys.argv = ['farcell', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(json.dumps([*sys.modules]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not HEAVY & set(json.loads(shown.splitlines()[-1]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bil"], "there is no command 'bil'; did you mean 'bill'?"),
        (["frobnicate"], "there is no command 'frobnicate': farcell --help"),
        (["user", "ad"], "there is no command 'ad': farcell user --help"),
        (["bill", "--xml"], "there is no option --xml"),
        (["logs", "a", "b"], "usage: farcell logs [SESSION] [options]"),
        (["down", "now"], "usage: farcell down [options]"),
        (["stop"], "say which: farcell stop SESSION, or farcell stop --all"),
        (
            ["serve", "--port", "many"],
            "The 'port' trait of a Gateway instance expected an int, not the str 'many'.",
        ),
    ],
)
def test_what_is_typed_wrongly_gets_one_sentence_and_exit_code_2(typed, words, sentence):
    answer = typed(*words)
    assert (answer.exit_code, answer.sentence) == (2, sentence)


def test_the_version_is_the_packages(person: Person):
    assert person.told("--version").strip() == Farcell.version


def test_a_configuration_in_the_data_folder_comes_before_jupyters(person: Person, typed):
    jupyter = person.folder / "jupyter"
    jupyter.mkdir()
    (jupyter / "farcell_config.py").write_text("c.Gateway.folder = '/nowhere'\n")
    (person.folder / "farcell_config.py").write_text(f"c.Gateway.folder = {str(person.folder / 'here')!r}\n")
    typed("user", "list")
    assert (person.folder / "here" / "gateway.sqlite").exists()


def test_the_command_line_comes_before_a_configuration(person: Person, typed):
    (person.folder / "farcell_config.py").write_text("c.Gateway.folder = '/nowhere'\n")
    typed("user", "list", "--folder", str(person.folder / "here"))
    assert (person.folder / "here" / "gateway.sqlite").exists()


def test_a_configuration_that_fails_is_one_line_and_for_those_who_debug_a_traceback(person: Person, typed):
    (person.folder / "farcell_config.py").write_text("c.Gateway.port = 1 / 0\n")
    assert typed("user", "list").sentence == "ZeroDivisionError: division by zero (--debug shows where)"
    assert "farcell_config.py" in typed("user", "list", "--debug").err
