"""Torch's tensors and modules; its wheels are too large to be had in every run."""

from __future__ import annotations

import pytest
from round_trip import PLAIN, plain_round_trip, round_trip

from farcell.remote_runtime.values.codec import encode
from farcell.remote_runtime.values.digest import digest_of
from farcell.remote_runtime.values.groups import groups

torch = pytest.importorskip("torch", reason="torch is not installed: some GiB that CI does without")


def test_tensors_of_every_dtype():
    for dtype in {one for one in vars(torch).values() if isinstance(one, torch.dtype)}:
        try:
            near = torch.zeros(3, dtype=dtype)
        except (RuntimeError, NotImplementedError, TypeError):
            continue
        far = plain_round_trip({"v": near})["v"]
        assert far.dtype is dtype
        assert far.shape == near.shape


def test_views_share_their_storage_and_numpys_arrays_do_too():
    near = {"t": torch.arange(12.0).reshape(3, 4)}
    near |= {"row": near["t"][1], "turned": near["t"].T, "array": near["t"].numpy()}
    far = plain_round_trip(near)
    far["row"][0] = 99
    assert far["t"][1, 0] == far["turned"][0, 1] == far["array"][1, 0] == 99
    assert far["turned"].stride() == near["turned"].stride()
    assert [sorted(group) for group in groups(near)] == [["array", "row", "t", "turned"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor(3),
        lambda: torch.empty(0, 3),
        lambda: torch.arange(100_000)[::1000],
        lambda: torch.ones(2, 1).expand(2, 5),
        lambda: torch.tensor([True]),
    ],
)
def test_shapes_of_every_kind(make):
    assert torch.equal(plain_round_trip({"v": make()})["v"], make())


def test_gradients_and_parameters():
    near = {"x": torch.ones(2, requires_grad=True), "p": torch.nn.Parameter(torch.zeros(2))}
    (near["x"] * 2).sum().backward()
    far = plain_round_trip(near)
    assert torch.equal(far["x"].grad, near["x"].grad)
    assert type(far["p"]) is torch.nn.Parameter


def test_a_module_and_its_optimizer_share_parameters():
    module = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(3, 3))
    near = {"module": module, "optimizer": torch.optim.Adam(module.parameters()), "w": module[0].weight}
    encoded = encode(near, near, PLAIN)
    assert encoded.pickled == ("module", "optimizer")
    assert max(view.nbytes for view in encoded.buffers) == 300 * 300 * 4
    far = round_trip(near)
    assert far["module"][0].weight is far["w"] is far["optimizer"].param_groups[0]["params"][0]
    assert torch.equal(far["w"], near["w"])


def test_a_step_in_place_is_another_digest():
    module = torch.nn.Linear(100, 100)
    before = digest_of({"m": module}, {})
    assert digest_of({"m": module}, {}) == before
    with torch.no_grad():
        module.weight[7, 7] += 1
    assert digest_of({"m": module}, {}) != before


def test_what_is_not_dense_goes_with_pickle():
    near = torch.eye(3).to_sparse()
    assert encode({"v": near}, {}, PLAIN).pickled == ("v",)
    assert torch.equal(round_trip({"v": near})["v"].to_dense(), torch.eye(3))
