import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farcell.remote_runtime.api import Image
from farcell.remote_runtime.api.image import Step, StepKind
from farcell.remote_runtime.errors import ImageNotSupported
from farcell.remote_runtime.spawners.docker.dockerfile import (
    ArchiveEntry,
    ProgramEntry,
    finishing,
    step_names,
    stepping,
)

GOLDEN = Path(__file__).parents[3] / "golden" / "docker"
BASE = "sha256:" + "0" * 64
SHA256 = "ab" * 32
IMAGE = replace(
    Image.from_registry("debian:12")
    .apt_install("ffmpeg", "libgl1=1.6.0-1")
    .pip_install("torch==2.4", "pandas>=2", extra_index_url="https://pypi.example.org/simple")
    .run("echo one", "cat <<E > /etc/x\n\"two\" '$HOME'\nE\n")
    .env(MODE="fast and 'loose'", PATHS="$HOME:\\x", EMPTY="", LINES="one\ntwo"),
    base="debian:12",
)
IMAGE = replace(IMAGE, steps=(*IMAGE.steps, Step(StepKind.COPY, (SHA256, "/srv/my $data"))))


def golden(name):
    return (GOLDEN / name).read_text()


def test_a_definition_is_the_dockerfile_that_it_was():
    recipe = stepping(BASE, IMAGE, {"UV_DEFAULT_INDEX": "https://pypi.example.org/simple"})
    assert recipe.text == golden("steps.Dockerfile")
    assert recipe.entries == (ArchiveEntry(f"files/{SHA256}", SHA256),)
    assert recipe.arguments == {
        "UV_DEFAULT_INDEX": "https://pypi.example.org/simple",
        "FARCELL_ENV_1": "one\ntwo",
    }
    assert len(recipe.owners) == len(recipe.text.splitlines())
    assert recipe.owners == (1, 1, 2, 3, 4, 4, 5, 5, 6)


def test_a_base_is_finished_by_the_dockerfile_that_it_was():
    recipe = finishing(BASE, "3.12", Path("/usr/bin/uv"), {"UV_OFFLINE": "1"})
    assert recipe.text == golden("finish.Dockerfile")
    names = [entry.name for entry in recipe.entries]
    assert names == [f"tools/{name}" for name in ("finish.sh", "finish.py", "run.sh", "apt.sh", "uv")]
    assert recipe.entries[-1] == ProgramEntry("tools/uv", Path("/usr/bin/uv"))
    assert set(recipe.owners) == {1}


def test_no_layer_before_a_changed_step_is_another():
    """The engine finds again what it has built of two definitions that begin alike."""
    one = stepping(BASE, Image.debian().pip_install("torch").run("a"), {}).text.splitlines()
    other = stepping(BASE, Image.debian().pip_install("torch").run("b"), {}).text.splitlines()
    assert one[:-1] == other[:-1]
    assert one[-1] != other[-1]


def test_an_archive_that_is_copied_twice_is_in_the_context_once():
    steps = tuple(Step(StepKind.COPY, (SHA256, folder)) for folder in ("/a", "/b"))
    assert len(stepping(BASE, Image(steps=steps), {}).entries) == 1


def test_a_step_that_the_parser_does_not_take_is_refused_with_its_number():
    with pytest.raises(ImageNotSupported, match="step 3 of the image is longer"):
        stepping(BASE, Image.debian().run("true").run('"' * 32_000), {})


def test_steps_are_named_for_people():
    assert step_names(Image.debian().pip_install("six").env(A="1"), "debian:12") == [
        "base debian:12",
        "pip install six",
        "env A",
    ]


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)
)
def test_a_command_is_one_instruction_and_stays_what_it_is(command):
    text = stepping(BASE, Image.debian().run(command), {}).text
    _, instruction = text.removesuffix("\n").split("\n")
    assert instruction.startswith("RUN [")
    assert json.loads(instruction.removeprefix("RUN "))[-1] == command
    assert "<<" not in instruction


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example("ends with a return\r")
def test_a_variable_is_one_instruction_and_keeps_its_value(value):
    recipe = stepping(BASE, Image.debian().env(NAME=value), {})
    *_, instruction = recipe.text.removesuffix("\n").split("\n")
    name, _, word = instruction.removeprefix("ENV ").partition("=")
    assert name == "NAME"
    if re.search(r"[\r\n]", value):
        assert recipe.arguments[word.removeprefix("$")] == value
    else:
        bare = re.sub(r"\\.", "", word, flags=re.DOTALL)
        assert not re.search(r"[\s$'\"`#]", bare), "nothing that means anything stands without a backslash"
        assert "".join(shlex.split(word)) == value


@given(st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]), min_size=1))
def test_a_folder_is_one_word(name):
    folder = "/" + name.replace("/", "")
    step = Step(StepKind.COPY, (SHA256, folder))
    *_, instruction = stepping(BASE, Image(steps=(step,)), {}).text.removesuffix("\n").split("\n")
    words = json.loads(instruction.removeprefix("COPY --chown=10001:10001 "))
    assert words[0] == f"files/{SHA256}/"
    assert "".join(shlex.split(words[1])) == f"{folder}/"
