"""``farcell login`` and ``logout``, on a gateway with TLS as on one without."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from farcell_command import Person, serve

from farcell.remote_runtime.cli.login import check_url
from farcell.remote_runtime.errors import BadRequest


@pytest.fixture
def certificate(tmp_path: Path, require) -> Path:
    """For localhost, signed by itself, with its key in the same file."""
    path = tmp_path / "certificate.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = [require("openssl", "makes a certificate"), "req", "-x509", "-nodes", "-days", "1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", "-", "-out", "-"]
    made = subprocess.run(
        [*command, *key, "-subj", "/CN=localhost", "-addext", names], check=True, capture_output=True
    )
    path.write_bytes(made.stdout)
    return path


def test_only_a_token_that_the_gateway_knows_is_kept_for_its_user_alone(person: Person, typed):
    token = typed("user", "add", "anna").out
    kept = person.folder / "login.json"
    with serve(person) as served:
        assert person.farcell("login", served.url, stdin="fc_wrong\n").sentence == (
            "the token is not (or no longer) valid: farcell login URL"
        )
        assert not kept.exists()
        told = person.told("login", served.url + "/", stdin=token)
        assert told.startswith(f"logged in to {served.url} as anna (user), until ")
        assert kept.stat().st_mode & 0o077 == 0
    assert person.farcell("offers").sentence.startswith(f"the gateway {served.url} does not answer")
    assert typed("logout").out == "logged out\n"
    assert typed("logout").out == "you were not logged in\n"


@pytest.mark.parametrize("stdin", ["", "\n", "two words\n", "tökén\n"])
def test_what_is_no_token_is_not_even_sent(typed, monkeypatch, stdin: str):
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    assert typed("login", "http://127.0.0.1:9").sentence.startswith("that is no token")


def test_a_gateway_with_a_certificate_of_its_own_is_trusted_with_ca(person: Person, typed, certificate: Path):
    token = typed("user", "add", "anna").out
    with serve(person, "--certfile", str(certificate), "--host-name", "localhost") as served:
        assert served.url.startswith("https://localhost:")
        assert "CERTIFICATE_VERIFY_FAILED" in person.farcell("login", served.url, stdin=token).sentence
        assert "as anna" in person.told("login", served.url, "--ca", str(certificate), stdin=token)
        assert "cpu" in person.told("offers")
        certificate.write_text("nothing")
        assert "can't be used" in person.farcell("offers").sentence


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("gpu.example.org:8890", "is not a gateway's URL"),
        ("ftp://gpu.example.org", "is not a gateway's URL"),
        ("https://gpu.example.org/?token=fc_x", "the token is asked for"),
        ("https://anna:fc_x@gpu.example.org", "the token is asked for"),
        ("http://gpu.example.org:8890", "the token would go in plain text"),
        ("http://192.0.2.1:8890", "the token would go in plain text"),
    ],
)
def test_a_url_that_is_none_or_shows_the_token_is_refused(url: str, sentence: str):
    with pytest.raises(BadRequest, match=sentence):
        check_url(url, plain=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://gpu.example.org:8890",
        "http://127.0.0.1:8890",
        "http://[::1]:8890",
        "http://localhost:8890",
    ],
)
def test_tls_and_loopback_are_allowed(url: str):
    assert check_url(url + "/", plain=False) == url


def test_plain_http_to_another_machine_is_allowed_to_who_asks_for_it():
    assert check_url("http://gpu.example.org", plain=True) == "http://gpu.example.org"
