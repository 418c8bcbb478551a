from __future__ import annotations

import json
import os
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

import farcell
from farcell.remote_runtime.api import Image, from_json, to_json
from farcell.remote_runtime.api.direct_url import requirement
from farcell.remote_runtime.api.image import Step, StepKind
from farcell.remote_runtime.api.image_files import DigestSink, origin, write_archive
from farcell.remote_runtime.api.image_steps import describe, environment, is_reference
from farcell.remote_runtime.api.installed import Installed, far_side
from farcell.remote_runtime.api.json_form import decode, encode
from farcell.remote_runtime.errors import BadRequest

FULL = (
    Image.debian("3.12")
    .pip_install("torch==2.4", "pandas[excel]>=2", index_url="https://example.org/simple")
    .apt_install("ffmpeg", "libgl1=1.6.0-1")
    .run("echo 'hello'\necho two")
    .env({"A": "1"}, B="two words")
)


def test_it_is_the_packages_own_name():
    assert farcell.Image is Image


def test_the_digest_of_a_definition_never_changes():
    """Environments and engines' images are kept under it: another digest builds everything again."""
    assert FULL.digest == "9d4b1b59996bf1566f4f6e9080b9815fa2b700205fec950e7cb7821b69e46c1a"
    assert Image().digest == "f242219eee46f18e74b1a9f60db788e86bc467829139a6676c8e3362d628da84"
    assert (
        Image.from_registry("pytorch/pytorch:2.4.0").pip_install("tqdm").digest
        == "6ddfa90dd294013d312afb71258d8fc151cd36de28542758138f57e6b3d1b3e2"
    )


def test_what_is_built_differently_has_another_digest():
    images = [
        Image.debian(),
        Image.debian("3.11"),
        Image.debian().pip_install("a", "b"),
        Image.debian().pip_install("b", "a"),
        Image.debian().pip_install("a").pip_install("b"),
        Image.debian().apt_install("aa", "bb"),
        Image.debian().run("a b"),
        Image.debian().run("a", "b"),
        Image(python="/usr/bin/python3"),
    ]
    assert len({image.digest for image in images}) == len(images)


def test_a_method_leaves_the_image_that_it_is_called_on():
    base = Image.debian()
    base.pip_install("tqdm")
    assert base == Image()
    assert not base.is_built


def test_it_survives_its_json():
    assert from_json(Image, to_json(FULL)) == FULL
    assert from_json(Image, decode(encode(FULL))) == FULL


def test_its_representation_is_the_code_that_makes_it():
    for image in (
        FULL,
        Image(),
        Image.from_registry("a/b:c"),
        Image(python="/opt/python", python_version="3.12"),
    ):
        assert eval(repr(image), {"Image": Image}) == image


def test_steps_are_told_in_one_line_each():
    assert [describe(step) for step in FULL.steps] == [
        "pip install torch==2.4 pandas[excel]>=2",
        "apt install ffmpeg libgl1=1.6.0-1",
        "run echo 'hello'",
        "env A B",
    ]
    assert environment(FULL.env(A="3")) == {"A": "3", "B": "two words"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Image.debian().pip_install(), "without anything"),
        (lambda: Image.debian().pip_install(""), "not empty"),
        (lambda: Image.debian().pip_install("--target=/etc"), "no package"),
        (lambda: Image.debian().pip_install("-r", "x.txt"), "no package"),
        (lambda: Image.debian().pip_install("./wheels/a.whl"), "copy()"),
        (lambda: Image.debian().pip_install("torch 2.4"), "no package"),
        (lambda: Image.debian().pip_install(["torch"]), r"pip_install\(\*\['torch'\]\)"),
        (lambda: Image.debian().pip_install("a", index_url="--trusted-host"), "no address"),
        (lambda: Image.debian().apt_install("-o", "x"), "no name of a Debian package"),
        (lambda: Image.debian().apt_install("a b"), "no name of a Debian package"),
        (lambda: Image.debian().run(" "), "not empty"),
        (lambda: Image.debian().run("a\0b"), "not empty"),
        (lambda: Image.debian().env({"A B": "1"}), "no name of an environment variable"),
        (lambda: Image.debian().env(A=1), "A='1'"),
        (lambda: Image.debian("3.9"), "3.11 on"),
        (lambda: Image.debian("latest"), "3.11 on"),
        (lambda: Image.from_registry("--privileged"), "no registry's reference"),
        (lambda: Image.from_registry("Up Per"), "no registry's reference"),
        (lambda: Image.debian().copy("/nowhere/at/all", "/x"), "no file or folder"),
        (lambda: Image.debian().copy(__file__, "x"), "no absolute path"),
        (lambda: Image.debian().copy(__file__, "/a/../../etc/passwd"), "no absolute path"),
    ],
)
def test_what_cant_be_meant_is_refused_in_words(make, said):
    with pytest.raises(BadRequest, match=said):
        make()


@pytest.mark.parametrize(
    "step",
    [
        Step(StepKind.PIP, ("--target", "/etc", "a")),
        Step(StepKind.PIP, ("--index-url",)),
        Step(StepKind.PIP, ("--index-url", "https://x/", "-e", ".")),
        Step(StepKind.PIP, ()),
        Step(StepKind.APT, ("--allow-unauthenticated",)),
        Step(StepKind.ENV, ("=1",)),
        Step(StepKind.RUN, ("",)),
        Step(StepKind.COPY, ("../../etc/passwd", "/x")),
        Step(StepKind.COPY, ("0" * 64, "x")),
    ],
)
def test_a_definition_from_elsewhere_is_checked(step):
    with pytest.raises(BadRequest):
        from_json(Image, {"steps": [to_json(step)]}).check()


def test_a_definition_that_was_made_here_passes_the_check():
    FULL.check()


def test_only_what_can_be_nothing_else_is_a_reference():
    assert is_reference("python:3.12")
    assert is_reference("ghcr.io/a/b")
    assert not is_reference("python")
    assert not is_reference("--x:/y")


# --- files ---


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.txt").write_text("a")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("data/a.txt")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "__pycache__").mkdir()
    return folder


def archive(image: Image, path: Path) -> tarfile.TarFile:
    found = origin(image.files[0])
    assert found is not None
    with path.open("wb") as file:
        write_archive(found, sink := DigestSink(file))
    assert sink.hexdigest() == image.files[0]
    assert sink.size == path.stat().st_size
    return tarfile.open(path)


def test_a_folder_is_copied_with_modes_and_links_and_without_what_makes_no_sense_elsewhere(project, tmp_path):
    image = Image.debian().copy(project, "/app/project/")
    assert image.steps == (Step(StepKind.COPY, (image.files[0], "/app/project")),)
    with archive(image, tmp_path / "x.tar") as found:
        assert found.getnames() == ["data", "data/a.txt", "link", "run.sh"]
        assert found.getmember("run.sh").mode == 0o755
        assert found.getmember("link").linkname == "data/a.txt"


@pytest.mark.parametrize(
    ("remote", "where"), [("/app/b.txt", ("/app", "b.txt")), ("/app/", ("/app", "a.txt"))]
)
def test_a_file_is_copied_under_its_name_there(project, tmp_path, remote, where):
    image = Image.debian().copy(project / "data" / "a.txt", remote)
    assert image.steps[0].words[1] == where[0]
    with archive(image, tmp_path / "x.tar") as found:
        assert found.getnames() == [where[1]]


def test_only_content_and_names_make_an_archive(project):
    before = Image.debian().copy(project, "/app")
    os.utime(project / "run.sh", (1, 1))
    (project / "data" / "a.txt").chmod(0o600)
    assert Image.debian().copy(project, "/app") == before
    (project / "data" / "a.txt").write_text("b")
    assert Image.debian().copy(project, "/app") != before


def test_a_link_out_of_the_folder_is_refused(project):
    (project / "out").symlink_to("../../etc/passwd")
    with pytest.raises(BadRequest, match="out of the folder"):
        Image.debian().copy(project, "/app")


# --- requirements ---


def requirements(folder: Path, text: str) -> Image:
    (folder / "requirements.txt").write_text(text)
    return Image.from_requirements(folder / "requirements.txt")


def test_requirements_are_one_step_with_what_they_include(tmp_path):
    (tmp_path / "more.txt").write_text("tqdm  # progress\n-i https://example.org/simple\n")
    image = requirements(
        tmp_path,
        '# all\n-r more.txt\npandas[excel]>=2; python_version >= "3.11"\ntorch \\\n  ==2.4\n'
        "demo @ https://example.org/demo-1.0-py3-none-any.whl#sha256=ab\n",
    )
    assert image.steps[0].words == (
        *("--index-url", "https://example.org/simple", "tqdm"),
        'pandas[excel]>=2; python_version >= "3.11"',
        "torch    ==2.4",
        "demo @ https://example.org/demo-1.0-py3-none-any.whl#sha256=ab",
    )
    image.check()


@pytest.mark.parametrize(
    "text",
    [
        "-e .",
        "./local.whl",
        "--hash=sha256:ab",
        "tqdm==1 --hash=sha256:ab",
        "-c limits.txt",
        "-r nowhere.txt",
        "#",
    ],
)
def test_requirements_that_a_step_cant_keep_are_refused(tmp_path, text):
    with pytest.raises(BadRequest):
        requirements(tmp_path, text)


def test_requirements_that_include_themselves_are_refused(tmp_path):
    with pytest.raises(BadRequest, match="includes itself"):
        requirements(tmp_path, "-r requirements.txt")


# --- this environment ---


def test_the_packages_of_this_environment_come_in_their_versions():
    image = Image.from_environment()
    assert image.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"ipykernel=={version('ipykernel')}" in image.steps[0].words
    assert not [word for word in image.steps[0].words if word.startswith(("farcell", "jupyterlab=="))]
    image.check()


def test_only_what_the_notebook_side_alone_needs_is_left_out():
    found = {
        "jupyterlab": Installed("jupyterlab", "jupyterlab==4", frozenset({"httpx", "tornado"})),
        "httpx": Installed("httpx", "httpx==1", frozenset({"idna"}), unasked=True),
        "idna": Installed("idna", "idna==3", frozenset(), unasked=True),
        "tornado": Installed("tornado", "tornado==6", frozenset(), unasked=True),
        "ipykernel": Installed("ipykernel", "ipykernel==7", frozenset({"tornado"}), unasked=True),
        "requests": Installed("requests", "requests==2", frozenset({"idna"})),
    }
    assert far_side(found) == {"ipykernel", "tornado", "requests", "idna"}


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        (None, "demo==1.0"),
        ({"url": "file:///home/ann/demo", "dir_info": {"editable": True}}, None),
        ({"url": "file:///home/ann/demo.whl", "archive_info": {}}, None),
        ({"url": "https://example.org/demo.whl", "archive_info": {}}, "demo @ https://example.org/demo.whl"),
        (
            {"url": "https://example.org/demo", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "demo @ git+https://example.org/demo@ab12",
        ),
        ({"wrong": 1}, None),
    ],
)
def test_what_came_from_no_index_is_carried_as_what_it_is_or_left_out(direct_url, expected):
    text = None if direct_url is None else json.dumps(direct_url)
    assert requirement("demo", "1.0", text) == expected
