"""The API's description says what is served, all of it, and in a valid form."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tornado.web import RequestHandler

from farcell.remote_runtime.api.json_form import decode, encode
from farcell.remote_runtime.errors import error_tree
from farcell.remote_runtime.gateway.handlers.jupyter import NotServed
from farcell.remote_runtime.gateway.handlers.operation import operations
from farcell.remote_runtime.gateway.openapi import describe
from farcell.remote_runtime.gateway.routes import ROUTES

from .conftest import House
from .faces import is_error

DESCRIPTION = "/farcell/v1/openapi.json"
ANY_ID = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return decode(encode(describe()))


def served_methods(handler: type[RequestHandler]) -> set[str]:
    """What the handler does something for; for the rest tornado has a method that says 405."""
    return {
        method
        for method in RequestHandler.SUPPORTED_METHODS
        if getattr(handler, method.lower()) is not getattr(RequestHandler, method.lower())
    }


def handlers_of(path: str) -> list[type[RequestHandler]]:
    return [handler for route, handler in ROUTES if re.fullmatch(route, path)]


def test_it_follows_openapi(document: dict[str, Any]):
    OpenAPIV31SpecValidator(document).validate()


def test_every_method_of_every_route_is_described(document: dict[str, Any]):
    described = [
        (handlers_of(ANY_ID.sub("x", path))[0], method.upper())
        for path, methods in document["paths"].items()
        for method in methods
    ]
    served = [(handler, method) for _, handler in ROUTES for method in sorted(served_methods(handler))]
    assert sorted(described, key=str) == sorted(served, key=str)


def test_every_described_path_is_one_routes(document: dict[str, Any]):
    for path in document["paths"]:
        assert len(handlers_of(ANY_ID.sub("x", path))) == 1, path


def test_only_what_is_never_served_has_no_method():
    assert [handler for _, handler in ROUTES if not operations(handler)] == [NotServed]


async def test_every_described_operation_is_there(house: House, document: dict[str, Any]):
    """What it lacks, a token, a body or what the path names, is told before anything happens."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answer = await house.nobody.ask(method.upper(), ANY_ID.sub("nobody", path))
            assert str(answer.status) in operation["responses"], (method, path)
            assert (answer.status == 401) == ("security" in operation), (method, path)


def test_every_status_of_an_error_is_that_of_its_codes(document: dict[str, Any]):
    status_of = {error.code: error.status for error in error_tree()}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    schema = response["content"]["application/json"]["schema"]
                    codes = schema["allOf"][1]["properties"]["code"]["enum"]
                    assert {str(status_of[code]) for code in codes} == {status}


def test_what_is_told_beside_a_sessions_fields_is_described(document: dict[str, Any]):
    schemas = document["components"]["schemas"]
    assert {"id", "label", "started_at"} <= set(schemas["Session"]["properties"])
    assert {"name", "label"} <= set(schemas["Offer"]["required"])


async def test_it_is_told_to_anybody(house: House, document: dict[str, Any]):
    answer = await house.nobody.get(DESCRIPTION)
    assert (answer.status, answer.json) == (200, document)


async def test_it_is_told_from_its_own_place_only(house: House):
    foreign = await house.nobody.get(DESCRIPTION, Origin="https://evil.example")
    assert is_error(foreign, 403, "wrong-origin")
