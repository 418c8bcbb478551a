"""The description of the REST API in OpenAPI's form, made from what is known elsewhere.

The paths are `routes.ROUTES`, the methods and their types what `handlers.operation` marks, the errors those of
`errors.error_tree`, the types' schemas msgspec's, which also reads and writes them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import responses as phrases
from importlib.metadata import version
from typing import Any

from msgspec.json import schema_components

from ..api import Network, Offer, OfferFacts, Request, Session, SessionFacts
from ..api.request import MAX_LENGTH
from ..errors import (
    BadRequest,
    ErrorJson,
    Forbidden,
    InternalError,
    NotFound,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    WrongHost,
    WrongOrigin,
    error_tree,
)
from .handlers.base import Guard
from .handlers.operation import JSON, Operation, operations
from .routes import ROUTES

OPENAPI = "3.1.0"
ALWAYS = (BadRequest, Forbidden, WrongHost, WrongOrigin, RequestTimeout, TooLarge, InternalError)
"""What any operation may answer with: for its head, its body, where it comes from, and what is our own fault."""
REF = "#/components/schemas/{name}"
FACTS = {Session: SessionFacts, Offer: OfferFacts}
"""What is told beside a type's own fields."""
_GROUP = re.compile(r"\((?!\?)([^()]+)\)")


@dataclass(frozen=True, slots=True)
class Place:
    """An operation where it is served: `path` has a ``{name}`` for each of the `parameters`, name to pattern."""

    path: str
    parameters: dict[str, str]
    method: str
    handler: type[Guard]
    operation: Operation


def describe() -> dict[str, Any]:
    """The document; its JSON is `json_form`'s."""
    places = list(_places())
    types = [ErrorJson, *FACTS.values()]
    types += [type_ for place in places for type_ in (place.operation.answer, place.operation.takes) if type_]
    schemas, components = schema_components(types, schema_hook=_custom, ref_template=REF)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for place in places:
        paths.setdefault(place.path, {})[place.method.lower()] = _operation(place, schema_of)
    return {
        "openapi": OPENAPI,
        "info": {"title": "Farcell gateway", "version": version("farcell")},
        "paths": paths,
        "components": {
            "schemas": _tidy(components),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _places() -> Iterator[Place]:
    for route, handler in ROUTES:
        for method, operation in operations(handler).items():
            names = list(inspect.signature(getattr(handler, method.lower())).parameters)[1:]
            parameters = dict(zip(names, _GROUP.findall(route), strict=True))
            path = _GROUP.sub("{}", route.removesuffix("/?")).replace("\\", "")
            yield Place(
                path.format(*(f"{{{name}}}" for name in names)), parameters, method, handler, operation
            )


def _custom(cls: type) -> dict[str, Any]:
    if cls is Request:
        return {"type": "string", "maxLength": MAX_LENGTH, "examples": ["H100", "H100:2,L40S", "24GB", "cpu"]}
    if cls is Network:
        return {"type": "string", "examples": ["none", "egress", "pypi.org,*.huggingface.co"]}
    raise NotImplementedError(f"{cls.__name__} has no JSON form")


def _tidy(components: dict[str, Any]) -> dict[str, Any]:
    """With the facts in their types, and docstrings without their indentation."""
    for cls, facts in FACTS.items():
        whole, part = components[cls.__name__], components.pop(facts.__name__)
        whole["properties"] |= part["properties"]
        whole["required"] += part["required"]
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    components["ErrorJson"]["properties"]["code"]["enum"] = [error.code for error in error_tree()]
    return components


def _operation(place: Place, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation = place.operation
    described: dict[str, Any] = {
        "operationId": f"{place.method.lower()}{place.handler.__name__}",
        "summary": operation.summary,
        "tags": ["jupyter" if place.path.startswith("/api") else "farcell"],
        "parameters": [*_path_parameters(place), *_query_parameters(operation)],
        "responses": {str(operation.status): _answer(operation, schema_of), **_refusals(place)},
    }
    if not _is_anonymous(place):
        described["security"] = [{"token": []}]
    if operation.takes is not None:
        described["requestBody"] = {
            "required": operation.needs_body,
            "content": {JSON: {"schema": schema_of[repr(operation.takes)]}},
        }
    return described


def _path_parameters(place: Place) -> Iterator[dict[str, Any]]:
    for name, pattern in place.parameters.items():
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{pattern}$"},
        }


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.query is not None:
        schema = schema_components((operation.query,))[1][operation.query.__name__]
        for name, of_one in schema["properties"].items():
            yield {"name": name, "in": "query", "description": schema["description"], "schema": of_one}


def _answer(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": phrases[operation.status]}
    if operation.answer is not None:
        described["content"] = {operation.media: {"schema": schema_of[repr(operation.answer)]}}
    elif operation.media != JSON:
        described["content"] = {operation.media: {}}
    return described


def _refusals(place: Place) -> dict[str, Any]:
    """Each status with the codes that it may come with."""
    errors = {*ALWAYS, *place.operation.refuses}
    if not _is_anonymous(place):
        errors.add(Unauthorized)
    if place.parameters:  # such as no id can be
        errors.add(NotFound)
    codes: dict[int, list[str]] = {}
    for error in error_tree():
        if error in errors:
            codes.setdefault(error.status, []).append(error.code)
    return {str(status): _refusal(status, of_status) for status, of_status in codes.items()}


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    narrowed = {"properties": {"code": {"enum": codes}}}
    return {
        "description": f"{phrases[status]}: {', '.join(codes)}",
        "content": {JSON: {"schema": {"allOf": [{"$ref": REF.format(name="ErrorJson")}, narrowed]}}},
    }


def _is_anonymous(place: Place) -> bool:
    return getattr(place.handler, "anonymous", False)
