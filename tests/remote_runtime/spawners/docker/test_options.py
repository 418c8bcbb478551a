"""What an operator may write of the Docker spawner."""

from __future__ import annotations

from pathlib import Path

import pytest
from traitlets.config import Config

from farcell.remote_runtime.api import Isolation, Network, default_table
from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.spawners.contract import SpawnerSetup
from farcell.remote_runtime.spawners.docker.engine import find_url
from farcell.remote_runtime.spawners.docker.options import DockerOptions, DockerSettings


def settings(environment: dict[str, str] | None = None, **options: object) -> DockerSettings:
    config = Config(DockerSpawner=options)
    setup = SpawnerSetup(Path("/g"), environment or {}, "", default_table(), config)
    return DockerOptions(config=config).settings(setup)


def test_unasked_containers_reach_out_and_sandboxes_do_not():
    assert settings().networks == {
        Isolation.CONTAINER: Network.parse("egress"),
        Isolation.SANDBOX: Network.parse("none"),
    }


def test_what_it_keeps_lies_in_the_gateways_folder_unless_said():
    assert settings().agents == Path("/g/agent-environments")
    assert settings(agents="/srv/agents").agents == Path("/srv/agents")


def test_cards_that_the_gateway_does_not_see_are_not_offered():
    assert settings().visible_devices is None
    assert settings({"CUDA_VISIBLE_DEVICES": "GPU-aa"}).visible_devices == "GPU-aa"
    assert settings({"CUDA_VISIBLE_DEVICES": "0"}, devices=["GPU-bb"]).visible_devices == "GPU-bb"


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("data", "/data", "two absolute paths"),
        ("/data", "data", "two absolute paths"),
        ("/data", "/data/../farcell", "two absolute paths"),
        ("/data", "/", "container's own"),
        ("/data", "/farcell", "container's own"),
        ("/data", "/farcell/lease", "container's own"),
        ("/data", "/home/farcell/work", "container's own"),
        ("/data", "/proc/x", "container's own"),
        ("/var/run/docker.sock", "/engine", "the whole machine"),
        ("/run/podman/podman.sock", "/engine", "the whole machine"),
    ],
)
def test_a_mount_that_opens_the_machine_or_stands_in_the_way_is_refused(source, target, why):
    with pytest.raises(BadRequest, match=why):
        settings(mounts=[(source, target, False)])


def test_a_mount_is_told_as_offers_show_it():
    found = settings(mounts=[("/srv/data", "/data", False), ("/srv/out", "/out", True)]).mounts
    assert [str(one) for one in found] == ["/data (read-only)", "/out (writable)"]


def test_the_engine_is_found_where_its_operator_says():
    assert find_url("unix:///x.sock", {"DOCKER_HOST": "unix:///y.sock"}) == "unix:///x.sock"
    assert find_url("", {"DOCKER_HOST": "unix:///y.sock"}) == "unix:///y.sock"


def test_else_it_is_the_first_usual_socket_that_is_there(tmp_path):
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    found = find_url("", {"XDG_RUNTIME_DIR": str(tmp_path)})
    if not Path("/var/run/docker.sock").exists():
        assert found == f"unix://{tmp_path}/podman/podman.sock"
    assert find_url("", {"XDG_RUNTIME_DIR": "/nowhere"}).startswith("unix://")
