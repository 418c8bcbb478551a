"""What is the Docker spawner's alone: each flag that it asks for, read back from the engine; an engine in trouble."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from farcell.remote_runtime.api import Image, Isolation, default_table
from farcell.remote_runtime.errors import ImageNotSupported, Unavailable
from farcell.remote_runtime.spawners.contract import ContainerState

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one are found by name

from docker_engine import docker_client
from docker_place import DockerPlace
from spawner_places import TOKEN, until

from farcell.remote_runtime.spawners.docker.container import ExtraMount, Limits, container_name

LIMITS = Limits(memory_bytes=512 << 20, cpus=1.5, pids=64, disk_bytes=1 << 30, shm_bytes=64 << 20)


@pytest.fixture
async def place(limiting_engine) -> AsyncIterator[DockerPlace]:
    place = DockerPlace(engine=limiting_engine)
    yield place
    spawner = place.open()
    for container in await spawner.list(place.gateway_id):
        await spawner.stop(container.lease_id)
    for one in place.opened:
        await one.close()
    shutil.rmtree(place.folder)


async def test_every_flag_is_what_was_asked_for(place, tmp_path):
    extra = (ExtraMount(tmp_path, "/data"), ExtraMount(Path(__file__).parent, "/contract"))
    spec = place.spec()
    await place.open(limits=LIMITS, mounts=extra).start(spec)
    found = place.inspect(spec)
    host = found["HostConfig"]
    asked = {
        "Runtime": "runc",
        "NetworkMode": "none",
        "IpcMode": "private",
        "PidMode": "",
        "Privileged": False,
        "Init": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "PublishAllPorts": False,
        "Memory": 512 << 20,
        "MemorySwap": 512 << 20,
        "NanoCpus": 1_500_000_000,
        "PidsLimit": 64,
        "StorageOpt": {"size": str(1 << 30)},
        "ShmSize": 64 << 20,
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "2", "max-size": "10m"}},
    }
    assert {name: host[name] for name in asked} == asked
    assert not any(host[name] for name in ("PortBindings", "Binds", "Devices", "VolumesFrom", "ExtraHosts"))
    assert sorted(name.removeprefix("CAP_") for name in host["CapAdd"]) == ["KILL", "SETGID", "SETUID"]
    assert [(one["Name"], one["Soft"], one["Hard"]) for one in host["Ulimits"]] == [("core", 0, 0)]
    assert host["MaskedPaths"]
    assert host["ReadonlyPaths"]
    assert {one["Destination"]: (one["Source"], one["RW"]) for one in found["Mounts"]} == {
        "/farcell/agent": (str(place.open().settings.agents / agent_folder(found)), False),
        "/etc/ld.so.preload": (str(place.open().settings.agents / agent_folder(found) / "empty"), False),
        "/farcell/lease": (str(spec.folder), True),
        "/farcell/gateway": (str(spec.socket.parent), False),
        "/cache": (str(spec.cache), True),
        "/data": (str(tmp_path), False),
        "/contract": (str(Path(__file__).parent), False),
    }


def agent_folder(found: dict) -> str:
    (source,) = (one["Source"] for one in found["Mounts"] if one["Destination"] == "/farcell/agent")
    return Path(source).name


async def test_the_engine_never_hears_the_token(place):
    spec = place.spec()
    await place.open().start(spec)
    assert TOKEN not in json.dumps(place.inspect(spec))


async def test_a_start_that_hangs_can_be_given_up_and_leaves_nothing(place):
    spec = place.spec()
    spawner = place.open(runtimes={Isolation.CONTAINER: "hanging"})
    starting = asyncio.create_task(spawner.start(spec))
    await until(place.processes)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    stopping = asyncio.create_task(spawner.stop(spec.lease_id))
    try:
        assert await spawner.list(place.gateway_id) == []
    finally:
        place.engine.gate.touch()
    await stopping
    place.engine.gate.unlink()
    assert not place.leftovers(spec)
    assert not place.processes()


async def test_what_the_engine_made_late_for_a_gateway_that_died_is_replaced(place, monkeypatch):
    spec = place.spec()
    spawner = place.open()
    with docker_client(place.engine) as client:
        late = client.create_container(place.engine.image, "true", name=container_name(spec.lease_id))["Id"]
    seen = spawner.engine.inspect
    not_yet = [None]

    async def inspect(name: str) -> object:
        return not_yet.pop() if not_yet else await seen(name)

    monkeypatch.setattr(spawner.engine, "inspect", inspect)
    await spawner.start(spec)
    assert not not_yet
    assert place.inspect(spec)["Id"] != late
    assert (spec.folder / "token").read_text() == TOKEN
    assert [one.state for one in await spawner.list(place.gateway_id)] == [ContainerState.RUNNING]


async def test_an_image_that_was_never_built_is_refused_and_leaves_nothing(place):
    spec = replace(place.spec(), image=Image(base="nowhere/none:1"))
    with pytest.raises(ImageNotSupported, match="no such image"):
        await place.open().start(spec)
    assert not place.leftovers(spec)


async def test_what_a_container_says_before_it_has_an_agent_is_in_its_log(place):
    spec = place.spec()
    spawner = place.open(agent_command=("/nowhere/agent",))
    await spawner.start(spec)
    await place.until_over(spec)
    (container,) = await spawner.list(place.gateway_id)
    assert container.state is ContainerState.DEAD
    assert container.exit_code == 127
    assert "/nowhere/agent" in (spec.folder / "container.log").read_text()


async def test_an_engine_that_is_not_there_offers_nothing_and_says_why(place):
    spawner = place.open(url="unix:///nowhere/docker.sock")
    assert await spawner.offers(default_table()) == []
    with pytest.raises(Unavailable, match=r"/nowhere/docker\.sock does not answer"):
        await spawner.list(place.gateway_id)
    spec = place.spec()
    with pytest.raises(Unavailable):
        await spawner.start(spec)
    assert not (spec.folder / "token").exists()


async def test_only_runtimes_that_the_engine_has_are_offered(place):
    runtimes = {Isolation.CONTAINER: "", Isolation.SANDBOX: "runsc"}
    offers = await place.open(runtimes=runtimes).offers(default_table())
    assert {offer.isolations for offer in offers} == {(Isolation.CONTAINER, Isolation.SANDBOX)}
    offers = await place.open(runtimes={**runtimes, Isolation.SANDBOX: "nowhere"}).offers(default_table())
    assert {offer.isolations for offer in offers} == {(Isolation.CONTAINER,)}
    assert {offer.isolation for offer in offers} == {Isolation.CONTAINER}
    assert {offer.mounts for offer in offers} == {("/contract (read-only)",)}


@pytest.mark.parametrize("runtime", ["crun", "runsc"])
async def test_every_runtime_starts_and_stops_a_lease(limiting_engine, place, runtime):
    spec = place.spec("daemon")
    spawner = place.open(runtimes={Isolation.CONTAINER: runtime})
    await spawner.start(spec)
    await place.made(spec)
    (container,) = await spawner.list(place.gateway_id)
    assert container.state is ContainerState.RUNNING
    await spawner.stop(spec.lease_id)
    assert not place.leftovers(spec)
