"""What the words of an image's steps may be, and how they read as code; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement

from ..errors import BadRequest
from .image import Image, Step, StepKind

MAX_STEPS, MAX_WORDS, MAX_WORD_BYTES = 200, 2000, 32 << 10
_VERSION = re.compile(r"3\.(1[1-9]|[2-9][0-9])", re.ASCII)
_REFERENCE = re.compile(
    r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+)?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_URL = re.compile(r"(https?|file)://[^\s]+")
PIP_OPTIONS = {"--index-url": 1, "--extra-index-url": 1, "--find-links": 1, "--pre": 0}
"""The options that may stand before a `PIP` step's packages, and how many words follow each."""


def split_words(text: str) -> tuple[str, ...]:
    """Packages as they stand in a command line; raises `BadRequest`."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadRequest(f"{text!r} can't be read: {error}") from error


def check_python_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise BadRequest(
            f"{version!r} is no Python that kernels run with: a minor from 3.11 on, such as '3.12'"
        )
    return version


def check_reference(reference: str) -> str:
    if len(reference) > 512 or not _REFERENCE.fullmatch(reference):
        raise BadRequest(f"{reference!r} is no registry's reference: write one like 'pytorch/pytorch:2.4.0'")
    return reference


def is_reference(text: str) -> bool:
    """Whether a word can only be meant as a registry's reference: a bare name can be many things."""
    return bool(set(text) & set("/:@")) and bool(_REFERENCE.fullmatch(text))


# --- words ---


def pip_words(packages: Sequence[str], index_url: str | None, extra_index_url: str | None) -> tuple[str, ...]:
    options = (("--index-url", index_url), ("--extra-index-url", extra_index_url))
    given = [word for name, url in options if url is not None for word in (name, check_url(url))]
    return (*given, *(check_requirement(one) for one in _texts("pip_install", packages)))


def apt_words(packages: Sequence[str]) -> tuple[str, ...]:
    words = _texts("apt_install", packages)
    for word in words:
        if not _DEBIAN.fullmatch(word):
            raise BadRequest(f"{word!r} is no name of a Debian package, as in apt_install('ffmpeg')")
    return words


def run_words(commands: Sequence[str]) -> tuple[str, ...]:
    return _texts("run", commands)


def env_words(variables: Mapping[str, object]) -> tuple[str, ...]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise BadRequest(f"{name!r} is no name of an environment variable")
        if not isinstance(value, str):
            raise BadRequest(
                f"the variable {name} is a text, not {type(value).__name__}: {name}={str(value)!r}"
            )
    return _texts("env", [f"{name}={value}" for name, value in variables.items()])


def check_requirement(word: str) -> str:
    """A package as pip takes it; options and paths of this machine are none."""
    try:
        if not word.startswith("-"):
            Requirement(word)
            return word
    except InvalidRequirement as error:
        if "/" in word or word.endswith((".whl", ".tar.gz", ".txt")):
            raise BadRequest(
                f"{word!r} is no package: 'name @ https://…' installs from an address, copy() brings local files"
            ) from error
    raise BadRequest(f"{word!r} is no package to install, as in pip_install('torch==2.4', 'pandas>=2')")


def check_url(url: str) -> str:
    if not _URL.fullmatch(url):
        raise BadRequest(f"{url!r} is no address of a package index: it begins with https://")
    return url


def check_folder(path: str) -> str:
    """An absolute path in a container, in its plain form."""
    pure = PurePosixPath(path)
    if not path.startswith("/") or ".." in pure.parts or not _is_text(path) or "\n" in path:
        raise BadRequest(f"{path!r} is no absolute path in the container, such as '/app/data'")
    return "/" + "/".join(pure.parts[1:])


def _texts(what: str, words: Iterable[object]) -> tuple[str, ...]:
    given: list[str] = []
    for word in words:
        if isinstance(word, list | tuple | set | dict):
            raise BadRequest(f"{what}() takes texts one by one: {what}(*{word!r})")
        if not isinstance(word, str) or not _is_text(word):
            raise BadRequest(f"{what}() takes texts that are not empty, not {word!r:.100}")
        given.append(word)
    if not given:
        raise BadRequest(f"{what}() without anything to do")
    if len(given) > MAX_WORDS:
        raise BadRequest(f"{what}() with {len(given)} words; at most {MAX_WORDS} make one step")
    return tuple(given)


def _is_text(word: str) -> bool:
    return bool(word.strip()) and "\0" not in word and len(word.encode(errors="replace")) <= MAX_WORD_BYTES


# --- a whole image ---


def check_image(image: Image) -> None:
    """Raises `BadRequest` for a definition that `Image`'s own methods would not have made."""
    if len(image.steps) > MAX_STEPS:
        raise BadRequest(f"an image of {len(image.steps)} steps; at most {MAX_STEPS} are built")
    if image.base is not None:
        check_reference(image.base)
    if image.python_version is not None:
        check_python_version(image.python_version)
    for step in image.steps:
        _check_step(step)


def _check_step(step: Step) -> None:
    match step.kind:
        case StepKind.PIP:
            _, packages = split_pip(step.words)
            for word in _texts("pip_install", packages):
                check_requirement(word)
        case StepKind.APT:
            apt_words(step.words)
        case StepKind.RUN:
            run_words(step.words)
        case StepKind.ENV:
            env_words(variables(step))
        case StepKind.COPY:
            if len(step.words) != 2 or not _SHA256.fullmatch(step.words[0]):
                raise BadRequest("a copy step has the SHA-256 of an archive, and a folder")
            check_folder(step.words[1])


def split_pip(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A `PIP` step's options, with what follows each, and its packages; raises `BadRequest` for other options."""
    rest = 0
    while rest < len(words) and words[rest].startswith("-"):
        if words[rest] not in PIP_OPTIONS:
            raise BadRequest(f"{words[rest]!r} is no option that a pip step takes: {', '.join(PIP_OPTIONS)}")
        values = words[rest + 1 : rest + 1 + PIP_OPTIONS[words[rest]]]
        for value in values:
            check_url(value)
        rest += 1 + PIP_OPTIONS[words[rest]]
    return tuple(words[:rest]), tuple(words[rest:])


def variables(step: Step) -> dict[str, str]:
    """An `ENV` step's, by name."""
    pairs = (word.partition("=") for word in step.words)
    return {name: value for name, _, value in pairs}


def environment(image: Image) -> dict[str, str]:
    """What all its `ENV` steps come to."""
    found: dict[str, str] = {}
    for step in image.steps:
        if step.kind is StepKind.ENV:
            found |= variables(step)
    return found


# --- for people ---


def describe(step: Step) -> str:
    """What a step does, in one line: ``pip install torch pandas``."""
    match step.kind:
        case StepKind.PIP:
            return f"pip install {' '.join(split_pip(step.words)[1])}"
        case StepKind.APT:
            return f"apt install {' '.join(step.words)}"
        case StepKind.RUN:
            return f"run {'; '.join(step.words)}".splitlines()[0]
        case StepKind.ENV:
            return f"env {' '.join(variables(step))}"
        case StepKind.COPY:
            return f"copy {step.words[1]}"


def as_code(image: Image) -> str:
    """The expression that makes it; where archives are named, by the beginning of their SHA-256."""
    return _beginning(image) + "".join(map(_call, image.steps))


def _beginning(image: Image) -> str:
    given = {
        name: value
        for name, value in (
            ("python", image.python),
            ("base", image.base),
            ("python_version", image.python_version),
        )
        if value is not None
    }
    match given:
        case {"base": base} if len(given) == 1:
            return f"Image.from_registry({base!r})"
        case {"python_version": version} if len(given) == 1:
            return f"Image.debian({version!r})"
        case {}:
            said = ", ".join(f"{name}={value!r}" for name, value in given.items())
            return f"Image({said})" if given else "Image.debian()"
    raise AssertionError(given)


def _call(step: Step) -> str:
    match step.kind:
        case StepKind.PIP:
            options, packages = split_pip(step.words)
            return f".pip_install({', '.join([*map(repr, packages), *_keywords(options)])})"
        case StepKind.ENV:
            return f".env({', '.join(f'{name}={value!r}' for name, value in variables(step).items())})"
        case StepKind.COPY:
            return f".copy({f'sha256:{step.words[0][:12]}'!r}, {step.words[1]!r})"
    return f".{'run' if step.kind is StepKind.RUN else 'apt_install'}({', '.join(map(repr, step.words))})"


def _keywords(options: Sequence[str]) -> list[str]:
    said, rest = [], list(options)
    while rest:
        name = rest.pop(0)
        values = [rest.pop(0) for _ in range(PIP_OPTIONS[name])]
        said.append(f"{name[2:].replace('-', '_')}={values[0]!r}" if values else f"{name[2:]}=True")
    return said
