"""What bad HTTP input gets: a 4xx in the one JSON form, at once, and nobody else is affected."""

from __future__ import annotations

import asyncio
import json

import psutil
import pytest

from farcell.remote_runtime.gateway.handlers import base, sessions

from .conftest import House
from .faces import Face, connection, exchange, is_error, parsed

SESSIONS = "/farcell/v1/sessions"
KEY = {"machine": "laptop", "path": "a.ipynb", "name": "main"}


def head(path: str, token: str | None, *lines: str, method: str = "POST", host: str = "127.0.0.1") -> bytes:
    authorization = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", f"Host: {host}", *authorization, *lines, "", ""]
    ).encode()


@pytest.fixture(autouse=True)
async def _unharmed(house: House, ada: Face, caplog: pytest.LogCaptureFixture):
    """After each of these, others are served as before, and nothing in the log says that the gateway failed."""
    yield
    assert (await ada.get("/farcell/v1/health")).status == 200
    assert not house.gateway.keeper.live
    told = caplog.get_records("call")
    failures = [record for record in told if record.levelname in ("ERROR", "CRITICAL")]
    assert not failures, failures


# --- who asks ---


async def test_without_a_token_nothing_is_told(house: House):
    for path in [SESSIONS, "/farcell/v1/bill", "/api/kernels", "/farcell/v1/events", "/metrics"]:
        answer = await house.nobody.get(path)
        assert is_error(answer, 401, "unauthorized"), path
        assert "Authorization" in answer.json["message"], path


async def test_a_wrong_token_is_refused(house: House):
    for header in ["Bearer nonsense", "Bearer", "Basic YTpi", "", "Bearer a b", "Bearer \xff\xfe"]:
        assert is_error(await house.nobody.get(SESSIONS, Authorization=header), 401, "unauthorized"), header


async def test_both_spellings_of_the_header_are_taken(house: House, ada: Face):
    for scheme in ["Bearer", "token", "TOKEN"]:
        assert (await house.nobody.get(SESSIONS, Authorization=f"{scheme} {ada.token}")).status == 200, scheme


async def test_a_token_in_the_query_is_ignored(house: House, ada: Face):
    assert is_error(await house.nobody.get(f"{SESSIONS}?token={ada.token}"), 401, "unauthorized")
    assert (await ada.get(f"{SESSIONS}?token=nonsense")).status == 200


async def test_operators_things_are_not_for_users(ada: Face):
    assert is_error(await ada.get("/metrics"), 403, "forbidden")
    assert is_error(await ada.post("/farcell/v1/shutdown"), 403, "forbidden")


async def test_nobody_shuts_a_served_gateway_down_from_afar(operator: Face):
    assert is_error(await operator.post("/farcell/v1/shutdown"), 403, "forbidden")


# --- from where ---


async def test_a_foreign_host_is_refused(house: House, ada: Face):
    for host in ["evil.example", "127.0.0.1.evil.example", "0.0.0.0", "a" * 5000]:
        answer = parsed(
            await exchange(
                house.port, head(SESSIONS, ada.token, "Connection: close", method="GET", host=host)
            )
        )
        assert is_error(answer, 403, "wrong-host"), host


async def test_a_host_that_is_none_is_refused(house: House, ada: Face):
    for host in ["[::1", "localhost@evil", "a b", "127.0.0.1, evil"]:
        raw = await exchange(
            house.port, head(SESSIONS, ada.token, "Connection: close", method="GET", host=host)
        )
        assert raw.startswith(b"HTTP/1.1 4"), host


async def test_loopback_names_are_its_own(house: House, ada: Face):
    for host in ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:8888", "127.0.0.2"]:
        raw = await exchange(
            house.port, head(SESSIONS, ada.token, "Connection: close", method="GET", host=host)
        )
        assert parsed(raw).status == 200, host


async def test_a_foreign_origin_is_refused(ada: Face):
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://[::1", "\xff"]:
        assert is_error(await ada.get(SESSIONS, Origin=origin), 403, "wrong-origin"), origin


async def test_its_own_origin_is_taken(house: House, ada: Face):
    assert (await ada.get(SESSIONS, Origin=f"http://127.0.0.1:{house.port}")).status == 200


# --- what is asked ---


async def test_an_unknown_path_is_not_found(ada: Face):
    for path in [
        "/",
        "/nothing",
        "/api/nothing",
        f"{SESSIONS}/a/b",
        f"{SESSIONS}/..%2f",
        "/api/kernels/%ff",
        "/farcell/v2/me",
    ]:
        assert is_error(await ada.get(path), 404, "not-found"), path


async def test_an_unknown_path_is_not_found_with_any_body(ada: Face):
    for body in [None, b"{}", b"x" * 100_000]:
        assert is_error(await ada.ask("POST", "/nothing", body), 404, "not-found"), body


async def test_an_unknown_method_is_not_allowed(ada: Face):
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]:
        assert is_error(
            await ada.ask(method, SESSIONS, b"{}" if method == "BREW" else None), 405, "method-not-allowed"
        )


async def test_what_is_allowed_is_told_to_who_asks_for_something_else(house: House, ada: Face):
    for path, allowed in {SESSIONS: b"GET, POST", f"{SESSIONS}/x": b"GET, DELETE"}.items():
        sent = head(path, ada.token, "Connection: close", method="PUT")
        assert b"\r\nAllow: " + allowed + b"\r\n" in await exchange(house.port, sent), path


async def test_a_query_that_is_no_text_is_refused(ada: Face):
    assert is_error(await ada.get(f"{SESSIONS}?all=%ff"), 400, "bad-request")


async def test_malformed_json_is_refused(ada: Face):
    for body in [
        b"",
        b"{",
        b"[1, 2",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b"[" * 100_000,
        b'{"key": NaN}',
        b"{}{}",
    ]:
        assert is_error(await ada.post(SESSIONS, body), 400, "bad-request"), body


async def test_a_wrong_type_is_refused_and_named(ada: Face):
    for field, value in [
        ("key", None),
        ("key", {}),
        ("key", {**KEY, "name": ""}),
        ("key", {**KEY, "name": "n" * 201}),
        ("key", {**KEY, "path": 7}),
        ("key", {**KEY, "path": "p" * 5000}),
        ("key", {**KEY, "machine": "m" * 5000}),
        ("key", {**KEY, "path": "a\0b"}),
        ("key", {**KEY, "ephemeral": "yes"}),
        ("request", 7),
        ("request", ""),
        ("request", "H100:0"),
        ("request", "H100:99999999999999999999999"),
        ("settings", {"idle_s": -1}),
        ("settings", {"idle_s": "long"}),
        ("settings", []),
        ("image", {"python": 1}),
        ("image", 3),
    ]:
        answer = await ada.post(SESSIONS, {"key": KEY, "request": "H100", field: value})
        assert answer.status == 400, (field, value)
        assert set(answer.json) == {"code", "message", "details"}, (field, value)


async def test_unknown_fields_are_ignored(ada: Face):
    body = {"key": {**KEY, "colour": "red"}, "request": "H100", "later": {"than": "now"}}
    answer = await ada.post(SESSIONS, body)
    assert answer.status == 200
    await ada.delete(f"{SESSIONS}/{answer.json['id']}")
    assert (await ada.state(answer.json["id"])) == "stopped"


async def test_an_unknown_gpu_is_refused_with_the_nearest_names(ada: Face):
    answer = await ada.session("H10O")
    assert is_error(answer, 400, "unknown-gpu")
    assert "H100" in answer.json["message"]


async def test_what_is_not_offered_is_refused_with_what_is(ada: Face):
    for request in ("B200", "H100:3"):
        answer = await ada.session(request)
        assert is_error(answer, 409, "no-such-offer")
        assert "H100" in answer.json["message"]


async def test_keep_takes_a_sensible_number_only(ada: Face):
    for seconds in ["1", None, True, -1, 1e12, [], {"a": 1}]:
        answer = await ada.post(f"{SESSIONS}/nobody/keep", {"seconds": seconds})
        assert is_error(answer, 400, "bad-request"), seconds


async def test_an_unknown_kernel_spec_is_refused(ada: Face):
    for name in ["nothing", "", 7, [], {}, ["farcell-h100"]]:
        answer = await ada.post("/api/kernels", {"name": name})
        assert answer.status in (400, 404), name
        assert set(answer.json) == {"code", "message", "details"}, name
        assert (await ada.get("/api/kernels")).json == [], name


async def test_a_kernel_is_asked_for_by_an_object(ada: Face):
    for body in [b"[]", b"7", b"nonsense"]:
        assert is_error(await ada.post("/api/kernels", body), 400, "bad-request"), body


async def test_a_session_that_is_not_there_is_not_found(ada: Face):
    for method, path in [
        ("GET", "/farcell/v1/sessions/{}"),
        ("DELETE", "/farcell/v1/sessions/{}"),
        ("GET", "/farcell/v1/sessions/{}/logs"),
        ("GET", "/api/kernels/{}"),
        ("DELETE", "/api/kernels/{}"),
        ("POST", "/api/kernels/{}/interrupt"),
        ("POST", "/api/kernels/{}/restart"),
    ]:
        assert is_error(await ada.ask(method, path.format("nobody")), 404, "session-not-found"), (
            method,
            path,
        )


# --- how much, and how slowly ---


async def test_a_body_over_the_limit_is_too_large(ada: Face):
    for size in (base.MAX_BODY_BYTES + 1, 3 * base.MAX_BODY_BYTES):
        assert is_error(await ada.post(SESSIONS, b" " * size), 413, "too-large")


async def test_a_body_of_just_the_limit_is_read(ada: Face):
    assert is_error(await ada.post(SESSIONS, b" " * base.MAX_BODY_BYTES), 400, "bad-request")


async def test_two_gigabytes_are_refused_before_they_are_sent(house: House, ada: Face):
    announced = head(SESSIONS, ada.token, f"Content-Length: {2 << 30}")
    assert is_error(parsed(await exchange(house.port, announced)), 413, "too-large")


async def test_a_length_that_is_no_number_is_refused(house: House, ada: Face):
    for length in ["-1", "1e3", "0x10", "9" * 400, "5, 6", ""]:
        answer = await exchange(house.port, head(SESSIONS, ada.token, f"Content-Length: {length}") + b"{}")
        assert answer.split(b" ")[1].startswith(b"4"), length


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


async def test_a_body_in_chunks_is_read(house: House, ada: Face):
    sent = head("/api/kernels/nobody/interrupt", ada.token, "Transfer-Encoding: chunked", "Connection: close")
    for body in (chunked(), chunked(b"{", b"}")):
        assert is_error(parsed(await exchange(house.port, sent + body)), 404, "session-not-found")


async def test_a_body_in_chunks_that_is_too_large_is_refused(house: House, ada: Face):
    sent = head(SESSIONS, ada.token, "Transfer-Encoding: chunked", "Connection: close")
    for mebibytes in (2, 12):
        body = chunked(*[b" " * (1 << 20)] * mebibytes)
        assert is_error(parsed(await exchange(house.port, sent + body)), 413, "too-large")


async def test_chunks_that_never_end_time_out(house: House, ada: Face, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "BODY_TIMEOUT_S", 0.1)
    sent = head(SESSIONS, ada.token, "Transfer-Encoding: chunked") + b"1\r\n{\r\n"
    assert is_error(parsed(await exchange(house.port, sent)), 408, "request-timeout")


async def test_garbage_in_place_of_chunks_is_refused(house: House, ada: Face):
    for chunks in [b"zz\r\n{}\r\n", b"ffffffffffffffff\r\n", b"-2\r\n{}\r\n", b"2\r\n{}{}\r\n"]:
        sent = head(SESSIONS, ada.token, "Transfer-Encoding: chunked") + chunks
        assert (await exchange(house.port, sent)).startswith(b"HTTP/1.1 400"), chunks


async def test_a_body_that_never_ends_times_out(house: House, ada: Face, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "BODY_TIMEOUT_S", 0.1)
    sent = head(SESSIONS, ada.token, "Content-Length: 10") + b"{"
    assert is_error(parsed(await exchange(house.port, sent)), 408, "request-timeout")


async def test_a_body_that_never_ends_times_out_also_without_a_token(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(base, "BODY_TIMEOUT_S", 0.1)
    answer = parsed(await exchange(house.port, head(SESSIONS, None, "Content-Length: 10")))
    assert is_error(answer, 401, "unauthorized")


async def test_a_refused_body_is_read_before_it_is_answered(house: House):
    """Who still sends does not read; a connection closed under it would hide the answer."""
    sent = head(SESSIONS, "wrong", "Content-Length: 500000") + b" " * 500_000
    again = head(SESSIONS, "wrong", "Content-Length: 2", "Connection: close") + b"{}"
    answers = await exchange(house.port, sent + again)
    assert answers.count(b"HTTP/1.1 401") == 2


async def test_a_long_answer_is_not_cut_by_the_bodys_deadline(
    house: House, ada: Face, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(base, "BODY_TIMEOUT_S", 1.0)
    monkeypatch.setattr(sessions, "HEARTBEAT_S", 2.0)
    asked = head("/farcell/v1/events", ada.token, "Content-Length: 2", method="GET") + b"{}"
    async with connection(house.port) as (reader, writer):
        writer.write(asked)
        await reader.readuntil(b": here\n\n")
        assert b"{" not in await reader.readuntil(b": still here\n\n")


async def test_too_many_headers_are_refused(house: House, ada: Face):
    for size in [70_000, 200_000]:
        bomb = [f"X-{number}: {'y' * 90}" for number in range(size // 100)]
        answer = parsed(
            await exchange(house.port, head(SESSIONS, ada.token, "Connection: close", *bomb, method="GET"))
        )
        assert is_error(answer, 413, "too-large"), size


async def test_a_path_without_end_is_refused(house: House, ada: Face):
    answer = parsed(
        await exchange(house.port, head("/" + "a" * 100_000, ada.token, "Connection: close", method="GET"))
    )
    assert 400 <= answer.status < 500
    assert set(answer.json) == {"code", "message", "details"}


async def test_what_is_not_http_is_closed_with_a_400(house: House):
    for garbage in [b"\0" * 1000, b"GET\r\n\r\n", b"\x16\x03\x01 tls\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]:
        answer = await exchange(house.port, garbage + b"\r\n\r\n")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), garbage


async def test_repeated_garbage_does_not_fill_the_memory(house: House, ada: Face):
    """A gateway that kept the refused bodies would grow by 150 MiB."""
    sent = head(SESSIONS, "wrong", "Content-Length: 1000000", "Connection: close") + b" " * 1_000_000
    await asyncio.gather(*(exchange(house.port, sent) for _ in range(10)))
    before = psutil.Process().memory_info().rss
    for _ in range(15):
        await asyncio.gather(*(exchange(house.port, sent) for _ in range(10)))
    assert psutil.Process().memory_info().rss - before < 50 << 20


async def test_errors_say_nothing_of_the_gateways_insides(
    house: House, ada: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(house.gateway.places, "offers", fail)
    answer = await ada.get("/farcell/v1/offers")
    assert is_error(answer, 500, "internal-error")
    assert "secret" not in json.dumps(answer.json)
    assert "secret" in caplog.text
    caplog.clear()  # the only failure that is meant to be
    monkeypatch.undo()


async def test_answers_are_not_to_be_sniffed_or_kept(house: House):
    raw = await exchange(house.port, head("/farcell/v1/health", None, "Connection: close", method="GET"))
    assert b"X-Content-Type-Options: nosniff" in raw
    assert b"Cache-Control: no-store" in raw
    assert b"Farcell-Wire: 1" in raw
    assert b"Tornado" not in raw
