"""The spawner contract, rule by rule, on every spawner that this machine can run."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from farcell.remote_runtime.api import Device, GatewayId, Image, Isolation, LeaseId, default_table
from farcell.remote_runtime.errors import ImageNotSupported, StartFailed
from farcell.remote_runtime.spawners.cgroups import CgroupContainment
from farcell.remote_runtime.spawners.containment import Limits
from farcell.remote_runtime.spawners.contract import ContainerSpec, ContainerState, Spawner

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one are found by name

from docker_place import DockerPlace
from spawner_places import DEADLINE_S, TOKEN, Place, ProcessPlace, is_running, until

WITH_WALLS = ["process-cgroup", "process-auto", "docker-runc"]


@pytest.fixture(params=[*WITH_WALLS, "process-marker"])
async def place(request: pytest.FixtureRequest, require: Any) -> AsyncIterator[Place]:
    kind, _, what = request.param.partition("-")
    if request.param in WITH_WALLS and kind == "process":
        found = CgroupContainment.here(Limits()) is not None
        require("a writable cgroup", "ends containers that clear their environment", found=found)
    place: Place
    if kind == "docker":
        place = DockerPlace(engine=request.getfixturevalue("docker_engine"), runtime=what)
    else:
        place = ProcessPlace(containment=what)
    yield place
    for container in await place.open().list(place.gateway_id):
        await place.open().stop(container.lease_id)
    for spawner in place.opened:
        await spawner.close()
    shutil.rmtree(place.folder)
    assert not place.processes()


@pytest.fixture
def spawner(place: Place) -> Spawner:
    return place.open()


@pytest.fixture
def full_disk(tmp_path: Path, require: Any) -> Iterator[Path]:
    """A file system with room for a few small files."""
    require("root", "mounts a small disk", found=os.geteuid() == 0)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


async def states(spawner: Spawner, place: Place) -> dict[LeaseId, ContainerState]:
    return {one.lease_id: one.state for one in await spawner.list(place.gateway_id)}


async def until_dead(spawner: Spawner, place: Place, spec: ContainerSpec) -> None:
    """The agent is gone; the place may need a moment to say so."""
    async with asyncio.timeout(DEADLINE_S):
        while await states(spawner, place) != {spec.lease_id: ContainerState.DEAD}:  # noqa: ASYNC110 - the place is asked
            await asyncio.sleep(0.01)


# offers


async def test_offers_count_what_one_lease_can_hold(spawner):
    offers = await spawner.offers(default_table())
    assert offers
    for offer in offers:
        assert 0 <= offer.count_free <= offer.count_total
        assert len(offer.devices) in (0, offer.count_total)
        assert offer.count_free == offer.count_total - sum(device.foreign for device in offer.devices)
        assert offer.spawner == spawner.name
        assert isinstance(offer.isolation, Isolation)


async def test_offers_cost_whole_nano_dollars(spawner):
    for offer in await spawner.offers(default_table()):
        assert isinstance(offer.price_nanos_per_s, int)
        assert offer.price_nanos_per_s > 0


async def test_no_device_is_offered_twice(spawner):
    uuids = [device.uuid for offer in await spawner.offers(default_table()) for device in offer.devices]
    assert len(uuids) == len(set(uuids))


async def test_simulated_devices_are_marked_in_offer_and_device(spawner):
    offers = await spawner.offers(default_table())
    assert [(offer.name, offer.count_total) for offer in offers if offer.simulated] == [
        ("H100", 2),
        ("T4", 1),
    ]
    assert all(device.simulated is offer.simulated for offer in offers for device in offer.devices)


async def test_offers_are_the_same_after_a_restart(place, spawner):
    assert await spawner.offers(default_table()) == await place.open().offers(default_table())


# start


async def test_what_start_accepted_is_listed_as_running_at_once(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    (container,) = await spawner.list(place.gateway_id)
    assert container.state is ContainerState.RUNNING
    assert (container.gateway_id, container.session_id, container.lease_id) == (
        spec.gateway_id,
        spec.session_id,
        spec.lease_id,
    )


async def test_starting_twice_makes_one_container(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    before = await place.pids(spec)
    await spawner.start(spec)
    assert len(place.processes()) == 1
    assert await place.pids(spec) == before


async def test_starting_twice_at_the_same_time_makes_one_container(place, spawner):
    spec = place.spec()
    await asyncio.gather(spawner.start(spec), spawner.start(spec), spawner.start(spec))
    await place.pids(spec)
    assert len(place.processes()) == 1


async def test_a_restarted_gateway_starting_again_makes_no_second_container(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    await place.pids(spec)
    await place.open().start(spec)
    assert len(place.processes()) == 1


async def test_many_start_at_once(place, spawner):
    specs = [place.spec() for _ in range(place.many)]
    await asyncio.gather(*map(spawner.start, specs))
    assert await states(spawner, place) == dict.fromkeys(
        (spec.lease_id for spec in specs), ContainerState.RUNNING
    )


async def test_a_container_that_is_starting_is_never_listed_as_dead(place, spawner):
    specs = [place.spec() for _ in range(place.many)]
    starts = asyncio.gather(*map(spawner.start, specs))
    while not starts.done():
        assert ContainerState.DEAD not in (await states(spawner, place)).values()
    await starts


async def test_the_agent_finds_its_settings_and_token(place, spawner):
    spec = place.spec(devices=[Device("SIM-H100-1", "H100", 80 << 30, simulated=True)])
    await spawner.start(spec)
    seen = await place.seen(spec)
    assert seen["token"] == TOKEN
    assert seen["settings"]["lease_id"] == spec.lease_id
    assert seen["settings"]["socket"] == place.seen_paths(spec)[0]
    assert seen["settings"]["devices"] == [
        {"uuid": "SIM-H100-1", "gpu": "H100", "memory_bytes": 80 << 30, "simulated": True, "foreign": False}
    ]


async def test_the_token_is_in_no_argument_and_no_variable(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    seen = await place.seen(spec)
    assert TOKEN not in str(seen["argv"]) + str(seen["environment"]) + str(seen["settings"])


async def test_token_and_settings_are_for_this_user_alone(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    assert {(spec.folder / name).stat().st_mode & 0o777 for name in ("token", "agent.json")} == {0o600}


async def test_devices_reach_the_container_by_uuid(place, spawner):
    devices = [Device("GPU-aa", "H100", 80 << 30), Device("GPU-bb", "H100", 80 << 30)]
    spec = place.spec(devices=devices)
    if place.refuses_devices:
        with pytest.raises(StartFailed, match=place.refuses_devices):
            await spawner.start(spec)
        return
    await spawner.start(spec)
    assert (await place.seen(spec))["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-aa,GPU-bb"


@pytest.mark.parametrize("devices", [[], [Device("SIM-H100-0", "H100", 80 << 30, simulated=True)]])
async def test_without_a_real_device_a_container_sees_none(place, spawner, devices):
    spec = place.spec(devices=devices)
    await spawner.start(spec)
    assert (await place.seen(spec))["environment"]["CUDA_VISIBLE_DEVICES"] == ""


async def test_containers_of_one_owner_share_a_cache(place, spawner):
    specs = [place.spec(), place.spec()]
    await asyncio.gather(*map(spawner.start, specs))
    seen = [(await place.seen(spec))["environment"] for spec in specs]
    assert {one["XDG_CACHE_HOME"] for one in seen} == {place.seen_paths(specs[0])[1]}
    if place.sees_the_machine:
        assert len({one["HOME"] for one in seen}) == 2


async def test_a_start_that_the_place_refuses_says_why_and_leaves_nothing(place):
    spec = place.spec()
    spawner = place.open_broken()
    with pytest.raises(StartFailed, match=place.refusal):
        await spawner.start(spec)
    assert not place.leftovers(spec)
    assert not await spawner.list(place.gateway_id)


async def test_a_start_without_its_folder_leaves_nothing(place, spawner):
    spec = place.spec()
    shutil.rmtree(spec.folder)
    with pytest.raises(StartFailed):
        await spawner.start(spec)
    assert not place.leftovers(spec)
    assert not await spawner.list(place.gateway_id)


async def test_an_image_that_is_not_there_is_refused_and_leaves_nothing(place, spawner):
    spec = replace(place.spec(), image=Image(python="/nowhere/python"))
    with pytest.raises(ImageNotSupported, match="/nowhere/python"):
        await spawner.start(spec)
    assert not place.leftovers(spec)
    assert not await spawner.list(place.gateway_id)


async def test_a_start_on_a_full_disk_says_so_and_leaves_nothing(place, spawner, full_disk):
    spec = place.spec()
    full = full_disk / spec.lease_id
    full.mkdir(mode=0o700)
    fill(full)
    spec = replace(spec, folder=full)
    with pytest.raises(StartFailed, match="No space left"):
        await spawner.start(spec)
    assert not place.leftovers(spec)
    assert not await spawner.list(place.gateway_id)


async def test_a_cancelled_start_is_undone_by_stop(place, spawner):
    for _ in range(place.many - 2):
        spec = place.spec("daemon")
        start = asyncio.create_task(spawner.start(spec))
        await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await spawner.stop(spec.lease_id)
        assert not place.leftovers(spec)
        assert not place.processes()


# stop


async def test_stop_of_an_unknown_lease_is_silent(spawner):
    await spawner.stop(LeaseId("never-there"))


async def test_stopping_twice_is_silent(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    await spawner.stop(spec.lease_id)
    await spawner.stop(spec.lease_id)
    assert await states(spawner, place) == {}


async def test_stopping_twice_at_the_same_time_is_silent(place, spawner):
    spec = place.spec("child")
    await spawner.start(spec)
    pids = await place.pids(spec)
    await asyncio.gather(*(one.stop(spec.lease_id) for one in (spawner, spawner, place.open())))
    assert not any(map(is_running, pids))


async def test_start_and_stop_at_the_same_time_end_in_one_of_the_two(place, spawner):
    for _ in range(place.many // 2):
        spec = place.spec()
        await asyncio.gather(spawner.start(spec), spawner.stop(spec.lease_id), spawner.list(place.gateway_id))
        running = spec.lease_id in await states(spawner, place)
        assert running == bool(place.processes())
        await spawner.stop(spec.lease_id)
        assert not place.leftovers(spec)


@pytest.mark.parametrize("behaviour", ["idle", "child", "daemon", "bare child"])
async def test_stop_leaves_no_process_behind(place, spawner, behaviour):
    spec = place.spec(behaviour)
    await spawner.start(spec)
    pids = await place.pids(spec)
    assert all(map(is_running, pids))
    await spawner.stop(spec.lease_id)
    assert not any(map(is_running, pids))
    assert not place.leftovers(spec)


@pytest.mark.parametrize("behaviour", ["idle", "child", "daemon"])
async def test_a_container_whose_agent_was_killed_is_dead_until_stop_ends_the_rest(place, spawner, behaviour):
    spec = place.spec(behaviour)
    await spawner.start(spec)
    agent, *others = await place.pids(spec)
    os.kill(agent, signal.SIGKILL)
    await until(lambda: not is_running(agent))
    await until_dead(spawner, place, spec)
    if place.sees_the_machine:
        assert all(map(is_running, others))
    await spawner.stop(spec.lease_id)
    assert not any(map(is_running, others))
    assert await states(spawner, place) == {}
    assert not place.leftovers(spec)


@pytest.mark.parametrize("place", WITH_WALLS, indirect=True)
@pytest.mark.parametrize("behaviour", ["bare daemon", "forking chain"])
async def test_nothing_escapes_where_a_container_has_walls(place, spawner, behaviour):
    spec = place.spec(behaviour)
    await spawner.start(spec)
    pids = await place.pids(spec)
    await asyncio.wait_for(spawner.stop(spec.lease_id), 60)
    assert not any(map(is_running, pids))
    assert not place.leftovers(spec)


async def test_stop_ends_what_forks_all_the_time(place, spawner):
    spec = place.spec("fork storm")
    await spawner.start(spec)
    await place.pids(spec)
    await asyncio.wait_for(spawner.stop(spec.lease_id), 60)
    assert not place.processes()


async def test_stop_ends_a_container_that_has_been_suspended(place, spawner):
    spec = place.spec("child")
    await spawner.start(spec)
    pids = await place.pids(spec)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await spawner.stop(spec.lease_id)
    assert not any(map(is_running, pids))


async def test_stop_touches_no_other_container(place, spawner):
    kept, stopped = place.spec("daemon"), place.spec("daemon")
    await asyncio.gather(spawner.start(kept), spawner.start(stopped))
    pids = await place.pids(kept)
    await place.pids(stopped)
    await spawner.stop(stopped.lease_id)
    assert all(map(is_running, pids))
    assert await states(spawner, place) == {kept.lease_id: ContainerState.RUNNING}


async def test_the_folder_of_a_stopped_lease_stays(place, spawner):
    spec = place.spec()
    await spawner.start(spec)
    await place.pids(spec)
    await spawner.stop(spec.lease_id)
    assert (spec.folder / "work" / "pids").exists()
    assert not (spec.folder / "token").exists()


# list


async def test_list_of_a_gateway_without_containers_is_empty(spawner):
    assert await spawner.list(GatewayId("nobody")) == []


async def test_each_gateway_sees_its_own_containers(place, spawner):
    other = GatewayId(f"{place.gateway_id}-other")
    mine, theirs = place.spec(), place.spec(gateway_id=other)
    await asyncio.gather(spawner.start(mine), spawner.start(theirs))
    assert [one.lease_id for one in await spawner.list(place.gateway_id)] == [mine.lease_id]
    assert [one.lease_id for one in await spawner.list(other)] == [theirs.lease_id]
    await spawner.stop(theirs.lease_id)
    assert [one.lease_id for one in await spawner.list(place.gateway_id)] == [mine.lease_id]


async def test_an_agent_that_ended_by_itself_is_dead_until_it_is_stopped(place, spawner):
    spec = place.spec("exit")
    await spawner.start(spec)
    (agent,) = await place.pids(spec)
    await until(lambda: not is_running(agent))
    await until_dead(spawner, place, spec)
    (container,) = await spawner.list(place.gateway_id)
    assert container.exit_code in (3, None)
    await spawner.stop(spec.lease_id)
    assert not await spawner.list(place.gateway_id)


async def test_containers_outlive_a_gateway_that_was_killed_and_are_found_again(place):
    spec = place.spec("daemon")
    await place.start_in_doomed_gateway(spec)
    pids = await place.pids(spec)
    spawner = place.open()
    assert await states(spawner, place) == {spec.lease_id: ContainerState.RUNNING}
    assert all(map(is_running, pids))
    await spawner.start(spec)
    assert await place.pids(spec) == pids
    await spawner.stop(spec.lease_id)
    assert not any(map(is_running, pids))
    assert not place.leftovers(spec)


async def test_a_container_that_died_with_its_gateway_is_listed_as_dead(place):
    spec = place.spec()
    await place.start_in_doomed_gateway(spec)
    (agent,) = await place.pids(spec)
    os.kill(agent, signal.SIGKILL)
    await until(lambda: not is_running(agent))
    spawner = place.open()
    await until_dead(spawner, place, spec)
    await spawner.stop(spec.lease_id)
    assert not place.leftovers(spec)


async def test_no_container_is_a_descendant_that_its_gateways_group_takes_along(place, spawner):
    spec = place.spec("child")
    await spawner.start(spec)
    pids = await place.pids(spec)
    assert not {os.getpgid(pid) for pid in pids} & {os.getpgid(0)}
    assert not {os.getsid(pid) for pid in pids} & {os.getsid(0)}


# close


async def test_containers_run_on_after_close(place):
    spawner = place.open()
    spec = place.spec()
    await spawner.start(spec)
    await spawner.close()
    await spawner.close()
    assert await states(place.open(), place) == {spec.lease_id: ContainerState.RUNNING}


async def test_no_agent_stays_a_zombie(place, spawner):
    spec = place.spec("exit")
    await spawner.start(spec)
    (agent,) = await place.pids(spec)
    await until(lambda: not is_running(agent))
    await until_dead(spawner, place, spec)
    assert not psutil.pid_exists(agent)


def test_every_registered_spawner_names_itself_as_it_is_registered():
    from importlib.metadata import entry_points

    for entry in entry_points(group="farcell.spawners"):
        assert entry.load().name == entry.name
