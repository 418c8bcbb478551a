import os

import pytest

from farcell.remote_runtime.spawners.docker.image_uses import ImageUses, KeepRules, KeptImage, to_evict

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


def test_a_use_is_remembered_with_its_time(tmp_path):
    uses = ImageUses(tmp_path / "builds")
    uses.note("farcell-image:ab12")
    uses.note("farcell-finished:cd34")
    os.utime(next((tmp_path / "builds").glob("farcell-image-*")), (5, 5))
    (tmp_path / "builds" / "ab12.log").touch()
    found = ImageUses(tmp_path / "builds").read()
    assert found["farcell-image:ab12"] == 5
    assert set(found) == {"farcell-image:ab12", "farcell-finished:cd34"}
    uses.note("farcell-image:ab12")
    assert uses.read()["farcell-image:ab12"] > 5
    uses.forget("farcell-image:ab12")
    uses.forget("farcell-image:ab12")
    assert set(uses.read()) == {"farcell-finished:cd34"}


def test_there_are_no_uses_before_the_first(tmp_path):
    assert ImageUses(tmp_path / "builds").read() == {}
