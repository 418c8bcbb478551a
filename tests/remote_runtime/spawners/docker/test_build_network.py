"""What builds of a real engine reach: the gateway's proxy through a forwarder, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from docker_engine import WITH_WHEELS, docker_client
from wheels import SlowIndex, make_index

from farcell.remote_runtime.api import Image, LeaseId, Network
from farcell.remote_runtime.errors import BuildFailed
from farcell.remote_runtime.gateway.egress import lease_proxy
from farcell.remote_runtime.gateway.egress.dialer import Dialer
from farcell.remote_runtime.gateway.egress.egress_log import EgressLog
from farcell.remote_runtime.gateway.egress.policy import EgressRules, PrivatePlaces
from farcell.remote_runtime.spawners.docker import build_network
from farcell.remote_runtime.spawners.docker.agent_environment import agent_environment
from farcell.remote_runtime.spawners.docker.build_network import BUILD_LABEL, BuildNetwork
from farcell.remote_runtime.spawners.docker.build_settings import BuildSettings
from farcell.remote_runtime.spawners.docker.builder import ImageBuilder
from farcell.remote_runtime.spawners.docker.engine import Engine
from farcell.remote_runtime.spawners.docker.image_names import Bases
from farcell.remote_runtime.spawners.docker.image_uses import KeepRules

pytestmark = pytest.mark.slow


@asynccontextmanager
async def proxy(folder, port: int) -> AsyncIterator[None]:
    """The gateway's, for which the name index.test is this machine."""

    async def resolve(host):
        if host != "index.test":
            raise OSError(-2, "Name or service not known")
        return [ip_address("127.0.0.1")]

    rules = EgressRules(frozenset({port}), PrivatePlaces.parse(["index.test"]))
    log = EgressLog(LeaseId("builds"), folder / "egress.log")
    network = Network.parse("egress")
    one = lease_proxy.LeaseProxy(LeaseId("builds"), network, Dialer(rules, resolve, set, None), log)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.serve(lease_proxy.bind(folder / "egress" / "proxy.sock")))
        try:
            yield
        finally:
            await one.end()


@pytest.fixture
def client(docker_engine):
    with docker_client(docker_engine) as client:
        yield client


@pytest.fixture
async def engine(docker_engine):
    engine = Engine(docker_engine.url)
    yield engine
    await engine.close()


@pytest.fixture
async def open_builder(docker_engine, tmp_path):
    opened = []

    async def agent():
        return await asyncio.to_thread(agent_environment, docker_engine.agents)

    def open_one(network):
        settings = BuildSettings(
            bases=Bases(WITH_WHEELS, ""),
            folder=tmp_path / "builds",
            archives=tmp_path,
            network=network,
            egress=tmp_path / "egress" / "proxy.sock",
            arguments={"UV_FIND_LINKS": "/wheels"},
            keep=KeepRules(None, None),
        )
        engine = Engine(docker_engine.url)
        builder = ImageBuilder(engine, settings, agent)
        opened.extend([builder, engine])
        return builder

    yield open_one
    for one in opened:
        await one.close()


def said(told):
    return [one.line for one in told]


async def test_a_package_comes_from_an_index_through_the_gateways_proxy(open_builder, client, tmp_path):
    make_index(tmp_path / "index", "farpkg")
    with SlowIndex(tmp_path / "index") as index:
        index.go_on()
        port = int(index.url.rpartition(":")[2])
        address = f"http://index.test:{port}"
        look = "import urllib.request as u; print(u.urlopen('{}').status)"
        image = (
            Image.debian()
            .pip_install("farpkg", index_url=address)
            .run(f'python -c "{look.format(address)}"; cat /proc/net/dev | grep -c :; env | grep -ic proxy')
        )
        builder, told = open_builder("egress"), []
        async with proxy(tmp_path, port):
            await builder.build(image, told.append)
        assert "/farpkg/farpkg-1.0-py3-none-any.whl" in index.asked
    assert " + farpkg==1.0" in said(told)
    assert said(told)[-3:] == ["200", "1", "4"], "loopback is all that a build has, and the proxy's name"
    environment = client.inspect_image(builder.tag(image))["Config"]["Env"]
    assert not [one for one in environment if "proxy" in one.lower()]
    assert "3128" not in str(client.history(builder.tag(image)))
    assert not client.containers(all=True, filters={"label": BUILD_LABEL})


async def test_what_the_proxy_refuses_no_build_reaches(open_builder, tmp_path):
    command = "python -c 'import urllib.request as u; u.urlopen(\"http://169.254.169.254/\")'"
    async with proxy(tmp_path, 8080):
        with pytest.raises(BuildFailed, match="403"):
            await open_builder("egress").build(Image.debian().run(command), lambda _: None)


@pytest.mark.parametrize("network", ["none", "egress"])
async def test_builds_without_a_proxy_reach_nothing(open_builder, network):
    """Also where the gateway opens none, for spawners without walls, say."""
    command = f"cat /proc/net/dev | grep -c :; env | grep -ic proxy; : {network}"
    told = []
    await open_builder(network).build(Image.debian().run(command), told.append)
    assert said(told)[-2:] == ["1", "0"]


async def test_what_a_killed_gateways_builds_left_is_removed_before_the_next(
    docker_engine, open_builder, client, tmp_path
):
    mine, others = str(tmp_path / "builds"), "another gateway's"
    left = [
        client.create_container_from_config(
            {"Image": WITH_WHEELS, "Cmd": ["true"], "Labels": {BUILD_LABEL: owner}}
        )["Id"]
        for owner in (mine, others)
    ]
    try:
        async with proxy(tmp_path, 8080):
            await open_builder("egress").build(Image.debian().run(f": {tmp_path}"), lambda _: None)
        found = client.containers(all=True, filters={"label": BUILD_LABEL})
        assert [one["Id"] for one in found] == left[1:]
    finally:
        client.remove_container(left[1])


async def test_the_forwarder_has_no_power_and_no_network_of_its_own(docker_engine, engine, client, tmp_path):
    network = BuildNetwork(engine, "egress", tmp_path / "egress" / "proxy.sock", "me")
    image = client.inspect_image(WITH_WHEELS)["Id"]
    environment = await asyncio.to_thread(agent_environment, docker_engine.agents)
    async with proxy(tmp_path, 8080):
        assert network.is_forwarded
        async with network.reach(image, environment) as reach:
            facts = client.inspect_container(reach.mode.removeprefix("container:"))
    host = facts["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"]) == ("none", True, False)
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["PidsLimit"]
    mounts = {mount["Destination"]: mount["RW"] for mount in facts["Mounts"]}
    assert mounts == {"/farcell/agent": False, "/farcell/egress": False}
    assert set(reach.arguments) == {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}


async def test_a_forwarder_that_ends_fails_the_build_with_its_last_words(
    docker_engine, engine, client, tmp_path, monkeypatch
):
    monkeypatch.setattr(build_network, "FORWARDER", "no.such.module")
    network = BuildNetwork(engine, "egress", tmp_path / "egress" / "proxy.sock", "me")
    environment = await asyncio.to_thread(agent_environment, docker_engine.agents)
    image = client.inspect_image(WITH_WHEELS)["Id"]
    async with proxy(tmp_path, 8080):
        with pytest.raises(BuildFailed, match="No module named"):
            await network.reach(image, environment).__aenter__()
    assert not client.containers(all=True, filters={"label": BUILD_LABEL})
