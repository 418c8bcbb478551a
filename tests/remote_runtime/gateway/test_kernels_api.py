"""Jupyter Server's kernels API, as stock clients use it, and what clients' WebSockets get for garbage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelSpecManager, GatewayMappingKernelManager

from .conftest import House
from .faces import DEADLINE_S, V1, Face, Told, close_code, execute_content, is_error, kernel_message, until
from .played_agent import lease_of, played

KERNELS = "/api/kernels"


@pytest.fixture
async def real(open_house) -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


# --- REST ---


async def test_every_offer_is_a_kernel_spec(ada: Face):
    told = (await ada.get("/api/kernelspecs")).json
    assert {"farcell-h100-simulated", "farcell-t4-simulated", "farcell-cpu"} <= set(told["kernelspecs"])
    assert told["default"] in told["kernelspecs"]
    spec = told["kernelspecs"]["farcell-h100-simulated"]
    assert spec == (await ada.get("/api/kernelspecs/farcell-h100-simulated")).json
    assert spec["name"] == "farcell-h100-simulated"
    assert spec["spec"]["display_name"] == "Farcell (H100 (simulated))"
    assert spec["spec"]["language"] == "python"
    assert is_error(await ada.get("/api/kernelspecs/nothing"), 404, "not-found")


async def test_a_kernel_has_the_name_of_the_spec_that_it_was_asked_by(ada: Face):
    for _ in range(2):  # the second one waits for the device
        answer = await ada.post(KERNELS, {"name": "farcell-t4-simulated"})
        assert answer.status == 201
        assert answer.json["name"] == "farcell-t4-simulated"
        assert set(answer.json) == {"id", "name", "last_activity", "execution_state", "connections"}
        assert (await ada.get(f"{KERNELS}/{answer.json['id']}")).json["name"] == "farcell-t4-simulated"


async def test_each_post_is_another_kernel(ada: Face):
    ids = {(await ada.post(KERNELS)).json["id"] for _ in range(2)}
    assert len(ids) == 2
    assert {kernel["id"] for kernel in (await ada.get(KERNELS)).json} == ids
    for kernel_id in ids:
        assert (await ada.delete(f"{KERNELS}/{kernel_id}")).status == 204
        assert is_error(await ada.get(f"{KERNELS}/{kernel_id}"), 404, "session-not-found")
    assert (await ada.get(KERNELS)).json == []


async def test_the_version_of_the_api_is_told_to_anybody(house: House):
    assert (await house.nobody.get("/api")).json["version"]


# --- stock clients ---


@pytest.fixture
async def jupyter(real: House) -> AsyncIterator[GatewayMappingKernelManager]:
    """Jupyter Server's own client of a gateway."""
    ada = await real.user("ada")
    GatewayClient.clear_instance()
    client = GatewayClient.instance(
        url=f"http://127.0.0.1:{real.port}", auth_token=ada.token, auth_scheme="Bearer", request_timeout=40
    )
    client.init_connection_args()
    yield GatewayMappingKernelManager()
    GatewayClient.clear_instance()


async def test_jupyter_servers_gateway_client_starts_and_stops_kernels(jupyter: GatewayMappingKernelManager):
    spec = await GatewayKernelSpecManager().get_kernel_spec("farcell-h100-simulated")
    assert spec["spec"]["language"] == "python"
    kernel_id = await jupyter.start_kernel(kernel_name="farcell-h100-simulated")
    assert (await jupyter.kernel_model(kernel_id))["name"] == "farcell-h100-simulated"
    assert [kernel["id"] for kernel in await jupyter.list_kernels()] == [kernel_id]
    manager = jupyter.get_kernel(kernel_id)
    await until_idle(jupyter, kernel_id)
    await manager.interrupt_kernel()
    await manager.restart_kernel()
    assert await manager.is_alive()
    await jupyter.shutdown_kernel(kernel_id)
    assert await jupyter.list_kernels() == []


async def until_idle(jupyter: GatewayMappingKernelManager, kernel_id: str) -> None:
    async def is_idle() -> bool:
        states = {kernel["id"]: kernel["execution_state"] for kernel in await jupyter.list_kernels()}
        return states[kernel_id] == "idle"

    async with asyncio.timeout(DEADLINE_S):
        while not await is_idle():  # noqa: ASYNC110 (Jupyter Server's client polls)
            await asyncio.sleep(0.02)


async def test_a_plain_websocket_client_gets_a_cells_messages_in_order(real: House):
    ada = await real.user("ada")
    kernel_id = (await ada.post(KERNELS, {"name": "farcell-h100-simulated"})).json["id"]
    async with ada.channels(kernel_id) as channels:  # at once: what is sent waits for the kernel
        info = await channels.answers(await channels.send("kernel_info_request", {}))
        assert [one.content["status"] for one in info if one.type == "kernel_info_reply"] == ["ok"]
        msg_id = await channels.send("execute_request", execute_content("print('far'); 7"))
        told = await channels.answers(msg_id)
        assert order(told) == ["busy", "execute_input", "stream", "execute_result", "idle"]
        (reply,) = [one for one in told if one.channel == "shell"]
        assert (reply.type, reply.content["status"], reply.parent_id) == ("execute_reply", "ok", msg_id)
        control = await channels.answers(await channels.send("kernel_info_request", {}, channel="control"))
        assert [one.channel for one in control if one.type == "kernel_info_reply"] == ["control"]


def order(told: list[Told]) -> list[str]:
    on_iopub = [one for one in told if one.channel == "iopub"]
    return [one.content["execution_state"] if one.type == "status" else one.type for one in on_iopub]


# --- garbage ---


@pytest.fixture
async def session_id(ada: Face) -> str:
    return str((await ada.session()).json["id"])


async def test_garbage_in_the_older_layout_closes_who_sent_it(ada: Face, session_id: str):
    """Which is what a client speaks that offers no subprotocol."""
    for garbage in (
        b"",
        b"\xff" * 1000,
        "",
        "text",
        "[]",
        '{"channel": "shelf", "header": {}}',
        "[" * 100_000,
    ):
        connection = await ada.websocket(f"{KERNELS}/{session_id}/channels")
        await connection.write_message(garbage, binary=isinstance(garbage, bytes))
        code, reason = await close_code(connection)
        assert (code, bool(reason)) == (1007, True), garbage


GARBAGE = [
    b"",
    b"\xff" * 1000,
    b"\0" * 1000,
    kernel_message("execute_request", {})[:-1],
    kernel_message("execute_request", {}) + b"x",
    kernel_message("execute_request", {}, "shell").replace(b"shell", b"shelf"),
    (1 << 40).to_bytes(8, "little") * 10,
    "a text",
    "é" * 1000,
]


async def test_garbage_closes_who_sent_it_and_nobody_else(
    house: House, ada: Face, session_id: str, caplog: pytest.LogCaptureFixture
):
    lease_id = await lease_of(ada, session_id)
    message = kernel_message("kernel_info_request", {})
    async with played(house, lease_id) as agent, ada.channels(session_id) as other:
        for garbage in GARBAGE:
            async with ada.channels(session_id) as channels:
                await channels.connection.write_message(garbage, binary=isinstance(garbage, bytes))
                code, reason = await close_code(channels.connection)
                assert (code, bool(reason)) == (1007, True), garbage
            await other.connection.write_message(message, binary=True)
            assert (await agent.hear_kernel()).body == message
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_frame_of_two_gigabytes_is_refused_before_it_comes(house: House, ada: Face, session_id: str):
    async with ada.channels(session_id) as channels:
        stream = channels.connection.protocol.stream
        await stream.write(b"\x82\xff" + (2 << 30).to_bytes(8, "big") + b"mask")
        assert (await close_code(channels.connection))[0] in (1009, None)
    assert await ada.state(session_id) == "starting"


async def test_others_sessions_and_bad_tokens_get_no_websocket(
    house: House, ada: Face, bob: Face, session_id: str
):
    path = f"{KERNELS}/{session_id}/channels"
    assert is_error(await bob.refused_websocket(path, V1), 404, "session-not-found")
    assert is_error(await house.nobody.refused_websocket(path, V1), 401, "unauthorized")
    assert is_error(
        await house.nobody.refused_websocket(f"{path}?token={ada.token}", V1), 401, "unauthorized"
    )
    foreign = Face(house.port, ada.token, headers={"Origin": "https://evil.example"})
    assert is_error(await foreign.refused_websocket(path, V1), 403, "wrong-origin")
    assert is_error(await ada.get(path), 400, "bad-request")


async def test_who_has_gone_is_no_client_any_more(house: House, ada: Face, session_id: str):
    live = house.gateway.keeper.live[session_id]
    async with ada.channels(session_id):
        assert live.relay.clients == 1
        assert (await ada.get(f"{KERNELS}/{session_id}")).json["connections"] == 1
    await until(lambda: live.relay.clients == 0)


async def test_a_gateway_that_goes_away_says_so(open_house):
    async with open_house() as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        connection = await ada.websocket(f"{KERNELS}/{session_id}/channels", V1)
        await house.gateway.close_sockets()
        assert await close_code(connection) == (1001, "the gateway goes away")
