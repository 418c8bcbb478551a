import pickle
import re
from http import HTTPStatus

import pytest

from farcell.remote_runtime import errors
from farcell.remote_runtime.errors import (
    BadRequest,
    Conflict,
    FarcellError,
    InternalError,
    NoSuchOffer,
    Unavailable,
    error_from_json,
    error_tree,
)

every_error = pytest.mark.parametrize("cls", error_tree(), ids=lambda cls: cls.code)


def drawn_tree() -> list[tuple[int, str, int, str]]:
    """Depth, name, status and code of each line of the tree in the module's docstring."""
    line = re.compile(r"^    ((?:│   |    |├── |└── )*)(\w+) +(\d{3})  ([a-z-]+)$", re.MULTILINE)
    found = line.findall(errors.__doc__ or "")
    return [(len(branch) // 4, name, int(status), code) for branch, name, status, code in found]


def depth(cls: type[FarcellError]) -> int:
    return cls.__mro__.index(FarcellError)


def test_the_drawn_tree_is_the_tree_of_classes():
    assert drawn_tree() == [(depth(cls), cls.__name__, cls.status, cls.code) for cls in error_tree()]


def test_every_class_has_a_code_of_its_own():
    codes = [cls.code for cls in error_tree()]
    assert len(codes) == len(set(codes))


@every_error
def test_a_code_is_the_name_in_kebab_case(cls):
    assert cls.code == re.sub(r"(?<!^)([A-Z])", r"-\1", cls.__name__).lower()


@every_error
def test_a_status_is_one_of_http(cls):
    assert HTTPStatus(cls.status) >= HTTPStatus.BAD_REQUEST


@every_error
def test_json_is_inverted(cls):
    error = error_from_json(cls("no H100 here", asked="H100", known=["T4"]).to_json())
    assert type(error) is cls
    assert (error.message, str(error)) == ("no H100 here", "no H100 here")
    assert error.details == {"asked": "H100", "known": ["T4"]}


def test_json_has_one_shape():
    assert NoSuchOffer("none", asked="H100").to_json() == {
        "code": "no-such-offer",
        "message": "none",
        "details": {"asked": "H100"},
    }


@pytest.mark.parametrize(
    ("status", "cls"),
    [(409, Conflict), (503, Unavailable), (418, BadRequest), (599, InternalError), (200, InternalError)],
)
def test_an_unknown_code_becomes_the_nearest_class_by_status(status, cls):
    error = error_from_json({"code": "of-a-later-version", "message": "so it is"}, status)
    assert type(error) is cls
    assert error.message == "so it is"


@pytest.mark.parametrize("value", [{}, {"code": None, "message": "", "details": "none"}, {"code": ["x"]}])
def test_an_answer_of_another_shape_still_becomes_an_error(value):
    error = error_from_json(value, 502)
    assert error.message == "the gateway answered with status 502"
    assert error.details == {}


def test_details_may_have_any_name():
    details = {"self": 1, "message": 2, "not a name": 3}
    assert error_from_json({"code": "conflict", "message": "m", "details": details}).details == details


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(NoSuchOffer("none", asked="H100")))
    assert error.to_json() == NoSuchOffer("none", asked="H100").to_json()
