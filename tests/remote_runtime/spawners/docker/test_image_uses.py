import os

import pytest

from farcell.remote_runtime.spawners.docker.image_uses import (
    ImageUse,
    ImageUses,
    KeepRules,
    KeptImage,
    to_evict,
)

NOW = 1_000_000.0


def image(tag, unused_s, size_bytes=100):
    return KeptImage(tag, NOW - unused_s, size_bytes)


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (KeepRules(None, None), []),
        (KeepRules(50.0, None), ["old"]),
        (KeepRules(None, 250), ["old"]),
        (KeepRules(None, 200), ["old"]),
        (KeepRules(None, 150), ["old", "middle"]),
        (KeepRules(None, 0), ["old", "middle", "new"]),
        (KeepRules(5.0, 1000), ["old", "middle"]),
    ],
)
def test_the_longest_unused_go_first(rules, gone):
    assert to_evict([image("middle", 10), image("old", 100), image("new", 1)], rules, NOW) == gone


def test_a_small_old_image_stays_where_a_large_one_before_it_goes():
    images = [image("new", 1, 10), image("large", 5, 500), image("small", 9, 10)]
    assert to_evict(images, KeepRules(None, 100), NOW) == ["large"]


def test_a_use_is_remembered_with_its_time_and_what_is_shared(tmp_path):
    folder = tmp_path / "builds"
    uses = ImageUses(folder)
    uses.note("farcell-image:ab12", 77)
    uses.note("farcell-finished:cd34")
    os.utime(next(folder.glob("farcell-image-*")), (5, 5))
    (folder / "ab12.log").touch()
    old, new = sorted(ImageUses(folder).read(), key=lambda use: use.at)
    assert old == ImageUse("farcell-image:ab12", 5, 77)
    assert (new.tag, new.below_bytes) == ("farcell-finished:cd34", 0)
    uses.note("farcell-image:ab12")
    assert {use.tag: use.below_bytes for use in uses.read()}["farcell-image:ab12"] == 77
    assert min(use.at for use in uses.read()) > 5
    uses.forget("farcell-image:ab12")
    uses.forget("farcell-image:ab12")
    assert [use.tag for use in uses.read()] == ["farcell-finished:cd34"]


def test_there_are_no_uses_before_the_first(tmp_path):
    assert ImageUses(tmp_path / "builds").read() == []
