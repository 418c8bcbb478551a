"""A line for each connection, in a file that does not grow for ever."""

from __future__ import annotations

import logging

import pytest

from farcell.remote_runtime.api import LeaseId
from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.gateway.egress.egress_log import EgressLog
from farcell.remote_runtime.gateway.egress.policy import Target
from farcell.remote_runtime.gateway.egress.upstream import Upstream

HOST = Target("a.org", 443)


def test_a_line_says_who_where_and_how_much(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    EgressLog(LeaseId("l1"), tmp_path / "egress.log").write(HOST, "allowed", 10, 20)
    line = "lease l1: a.org:443 allowed, 10 bytes out, 20 bytes in"
    assert (tmp_path / "egress.log").read_text().endswith(f"+00:00 {line}\n")
    assert caplog.messages == [line]
    assert (tmp_path / "egress.log").stat().st_mode & 0o777 == 0o600


def test_a_full_file_keeps_its_newer_half_and_says_so(tmp_path):
    log = EgressLog(LeaseId("l1"), tmp_path / "egress.log", max_bytes=1000)
    for number in range(100):
        log.write(HOST, "allowed", number, 0)
        assert (tmp_path / "egress.log").stat().st_size <= 1000
    first, *lines = (tmp_path / "egress.log").read_text().splitlines()
    assert first == "(older lines were left out)"
    numbers = [int(line.partition("allowed, ")[2].split()[0]) for line in lines]
    assert numbers == list(range(numbers[0], 100))


def test_a_link_in_its_place_is_not_followed(tmp_path, caplog):
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "egress.log").symlink_to(tmp_path / "elsewhere")
    EgressLog(LeaseId("l1"), tmp_path / "egress.log").write(HOST, "allowed", 0, 0)
    assert (tmp_path / "elsewhere").read_text() == "untouched"
    assert "egress.log can't be written" in caplog.text


def test_a_folder_that_is_gone_is_logged_and_closes_no_way(tmp_path, caplog):
    EgressLog(LeaseId("l1"), tmp_path / "gone" / "egress.log").write(HOST, "allowed", 0, 0)
    assert "can't be written" in caplog.text


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("http://proxy.corp:8080", Upstream("proxy.corp", 8080)),
        ("http://proxy.corp", Upstream("proxy.corp", 3128)),
        ("http://u:p%3A@[::1]:1/", Upstream("::1", 1, "Basic dTpwOg==")),
    ],
)
def test_an_upstream_proxy_is_read(url, upstream):
    assert Upstream.parse(url) == upstream
    assert "Basic" not in repr(Upstream.parse(url))


@pytest.mark.parametrize(
    "url", ["proxy.corp:3128", "socks5://p:1", "http://", "http://u:secret@p:x", "http://p/x"]
)
def test_what_is_no_upstream_proxy_is_refused_without_its_password(url):
    with pytest.raises(BadRequest) as refusal:
        Upstream.parse(url)
    assert "secret" not in refusal.value.message
