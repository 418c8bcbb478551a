"""Programs in a container: packages of its image's kind, what an image would slip in, and what programs write."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import IMAGE, DockerEngine, docker_client
from far_machine import FarMachine
from notebook_driver import Notebook
from served_machine import ServedMachine

WITH_PACKAGE = "farcell-test-package:latest"
PRELOADED = "/lib/x86_64-linux-gnu/libanl.so.1"
"""A library that nobody has loaded otherwise."""
CONTROL = """\
Package: farcell-greeting
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.com>
Description: a program that greets
"""
DOCKERFILE = f"""\
FROM {IMAGE}
USER root
COPY farcell-greeting.deb Packages /srv/repository/
RUN echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list
ENV LD_PRELOAD={PRELOADED}
"""


@pytest.fixture(scope="module")
def image(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """With a repository of one package, and a library that is loaded into every program."""
    context = tmp_path_factory.mktemp("image")
    root = context / "root"
    for path, text, mode in (
        (root / "DEBIAN" / "control", CONTROL, 0o644),
        (root / "usr" / "bin" / "farcell-greeting", "#!/bin/sh\necho hello from a package\n", 0o755),
    ):
        path.parent.mkdir(parents=True, mode=0o755)
        path.write_text(text)
        path.chmod(mode)
    built = context / "farcell-greeting.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", root, built], check=True, stdout=subprocess.DEVNULL
    )
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    facts = f"Filename: ./{built.name}\nSize: {built.stat().st_size}\nSHA256: {digest}\n"
    (context / "Packages").write_text(f"{CONTROL}{facts}")
    (context / "Dockerfile").write_text(DOCKERFILE)
    with docker_client(docker_engine) as client:
        for line in client.build(
            path=str(context), tag=WITH_PACKAGE, rm=True, decode=True, network_mode="none"
        ):
            assert "error" not in line, line
    return WITH_PACKAGE


@pytest.fixture(scope="module")
def machine(docker_engine: DockerEngine, image: str) -> Iterator[FarMachine]:
    with ServedMachine(docker_engine.config(image=image, max_memory_bytes=2 << 30)) as machine:
        yield machine


@pytest.fixture(scope="module")
def notebook(machine: FarMachine) -> Notebook:
    """Its first cell is there once the image is."""
    notebook = machine.notebook("programs.ipynb")
    first = notebook.run("%%gpu cpu\nimport os, subprocess, sys\nfrom pathlib import Path")
    assert not first.error, first.error
    return notebook


def test_a_package_is_installed_from_the_images_own_sources(notebook: Notebook):
    cell = notebook.run(
        "%%gpu\n!apt-get update -qq && apt-get install -y farcell-greeting\n!farcell-greeting"
    )
    assert "Setting up farcell-greeting (1.0)" in cell.stdout, cell.stdout
    assert cell.stdout.splitlines()[-1] == "hello from a package"


def test_the_kernel_is_nobody_all_the_same(notebook: Notebook):
    cell = notebook.run("%%gpu\nprint(os.getuid()); Path('/usr/bin/farcell-evil').write_text('')")
    assert cell.stdout == "10001\n"
    assert cell.error.startswith("PermissionError")


def test_a_file_of_ones_own_is_no_package(notebook: Notebook):
    cell = notebook.run("%%gpu\n!apt-get install -y ./mine.deb")
    assert "'./mine.deb' is neither a package's name nor an option" in cell.stdout


def test_what_asks_apt_for_nothing_but_words_is_the_images_own(notebook: Notebook):
    assert "a program that greets" in notebook.run("%%gpu\n!apt-cache show farcell-greeting").stdout
    assert "apt" in notebook.run("%%gpu\n!apt-get --version").stdout


def test_what_an_image_preloads_is_in_its_programs_and_not_in_the_agent(
    machine: FarMachine, notebook: Notebook
):
    cell = notebook.run("%%gpu\nprint(os.environ['LD_PRELOAD'] in Path('/proc/self/maps').read_text())")
    assert cell.stdout == "True\n"
    agent = machine.agent(machine.session("cpu"))
    assert PRELOADED not in Path(f"/proc/{agent.pid}/maps").read_text()


def test_what_programs_write_past_the_notebook_is_in_the_log(machine: FarMachine, notebook: Notebook):
    notebook.run(
        "%%gpu\nsubprocess.run(['sh', '-c', 'echo past the notebook > /dev/stderr'], stderr=sys.__stderr__)"
    )
    assert "past the notebook" in notebook.value("get_ipython().run_line_magic('gpu', 'logs')")


def test_the_hosts_files_of_the_repository_are_not_here(notebook: Notebook, tmp_path: Path):
    """The container has its own root, also for what the agent's root runs."""
    (tmp_path / "here").touch()
    assert notebook.run(f"%%gpu\nprint(Path({str(tmp_path)!r}).exists())").stdout == "False\n"
