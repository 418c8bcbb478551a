"""A session's life in a real container: cells, an interrupt, a restart, the gateway's death, a stop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docker_engine import DockerEngine, docker_client
from far_machine import eventually
from farcell_command import Person
from notebook_driver import Notebook

ADA = "ada"


@dataclass
class World:
    """A gateway that can be killed and started again, and a notebook of a user's."""

    engine: DockerEngine
    folder: Path
    port: int
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.operator, self.user = Person(self.folder / "operator"), Person(self.folder / ADA)
        for person in (self.operator, self.user):
            person.folder.mkdir()
        config = self.engine.config(runtimes={"container": "crun"})
        (self.operator.folder / "farcell_config.py").write_text(config)
        self.serve()
        token = self.operator.told("user", "add", ADA).strip()
        self.user.told("login", f"http://127.0.0.1:{self.port}", stdin=token)
        environment = self.user.environment(HOME=str(self.user.folder), JPY_SESSION_NAME="life.ipynb")
        self.notebook = self.stack.enter_context(Notebook(self.user.folder, environment))

    def serve(self) -> None:
        self.gateway = self.stack.enter_context(self.operator.begin("serve", "--port", str(self.port)))
        eventually(self._listens)

    def kill_gateway(self) -> None:
        self.gateway.kill()
        self.gateway.wait()

    def containers(self) -> list[str]:
        with docker_client(self.engine) as client:
            found = client.containers(all=True, filters={"label": "farcell.lease"})
        return [one["Id"] for one in found if str(self.folder) in str(one["Mounts"])]

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def world(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world = World(docker_engine, tmp_path_factory.mktemp("life"), port)
    with world.stack:
        yield world
        world.user.told("stop", "--all")


def test_a_session_lives_in_its_container_from_the_first_cell_to_its_stop(world):
    notebook = world.notebook
    first = notebook.run("%%gpu cpu\nimport os\nx = 41\nprint(os.getuid(), os.getcwd())")
    assert first.stdout.split() == ["10001", "/home/farcell/work"], first.error
    (container,) = world.containers()

    sleeping = notebook.start("%%gpu cpu\nimport time\nprint('asleep', flush=True)\ntime.sleep(600)")
    sleeping.until_prints("asleep").interrupt()
    assert "KeyboardInterrupt" in sleeping.end().error
    assert notebook.run("%%gpu cpu\nprint(x)").stdout == "41\n"

    world.kill_gateway()
    world.serve()
    again = notebook.run("%%gpu cpu\nx += 1\nprint(x)")
    assert again.stdout == "42\n", again.error
    assert world.containers() == [container]

    restarted = notebook.run("%gpu restart cpu")
    assert not restarted.error
    assert notebook.run("%%gpu cpu\nprint('x' in globals())").stdout == "False\n"
    assert world.containers() == [container]

    assert not notebook.run("%gpu stop cpu").error
    assert world.containers() == []
