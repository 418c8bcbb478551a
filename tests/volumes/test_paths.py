"""Which names a volume takes, and which links stay inside."""

from __future__ import annotations

import pytest

from farcell.volumes.errors import BadName
from farcell.volumes.paths import check_path, shown, stays_inside, to_path


@pytest.mark.parametrize(
    "path", [b"a", b"a/b", b"...", b" ", b"\xff", b"n" * 255, b"/".join([b"n" * 255] * 15)]
)
def test_paths_that_linux_takes_are_taken(path):
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/a",
        b"a/",
        b"a//b",
        b".",
        b"a/./b",
        b"..",
        b"a/..",
        b"a\0b",
        b"n" * 256,
        b"a/" * 2048 + b"a",
    ],
)
def test_others_are_refused(path):
    with pytest.raises(BadName):
        check_path(path)


def test_what_a_person_types_is_a_path():
    assert to_path("/models/new/") == b"models/new"
    assert to_path("/") == b""
    assert to_path("\udcff") == b"\xff"
    with pytest.raises(BadName, match=r"\.\. is not taken"):
        to_path("models/../..")


def test_a_name_that_is_no_text_is_shown_as_one():
    assert shown(b"a\xffb") == "a\\xffb"


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        (b"link", b"file", True),
        (b"link", b"./d//file", True),
        (b"link", b"..", False),
        (b"d/link", b"..", True),
        (b"d/link", b"../../file", False),
        (b"d/e/link", b"../../f/../g", True),
        (b"d/link", b"../../d/file", False),  # out and in again: what lies between is not the volume's
        (b"link", b"/file", False),
        (b"link", b"", False),
    ],
)
def test_links_stay_inside_or_not_by_their_text(path, target, inside):
    assert stays_inside(path, target) is inside
