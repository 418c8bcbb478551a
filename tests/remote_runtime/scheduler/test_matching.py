from dataclasses import replace

import pytest

from farcell.remote_runtime.api import GIB, Device, Isolation, Nanos, Offer, Request, Walls, default_table
from farcell.remote_runtime.errors import NoSuchOffer, UnknownGpu
from farcell.remote_runtime.scheduler.matching import options, refusal

TABLE = default_table()


def offer(name: str, count: int = 2, *, spawner: str = "process", simulated: bool = False) -> Offer:
    gpu = None if name == "cpu" else name
    kind = TABLE.get(name)
    return Offer(
        name=name,
        gpu=gpu,
        memory_bytes=kind.memory_bytes - GIB if kind else 0,
        count_total=count,
        count_free=count,
        price_nanos_per_s=kind.price_nanos_per_s if kind else Nanos(13_100),
        spawner=spawner,
        isolation=Isolation.NONE,
        simulated=simulated,
        devices=tuple(Device(f"{spawner}-{name}-{i}", name, GIB, simulated=simulated) for i in range(count)),
    )


def accepted(request: str, *offers: Offer) -> list[str]:
    found = options(Request.parse(request), offers, TABLE)
    return [f"{option.count} {option.offer.label} at {option.offer.spawner}" for option in found]


def refused(request: str, *offers: Offer) -> NoSuchOffer:
    return refusal(Request.parse(request), offers, TABLE)


def test_a_request_accepts_its_choices_in_its_own_order():
    found = accepted("H100:2,L4,cpu", offer("cpu"), offer("L4"), offer("H100"), offer("T4"))
    assert found == ["2 H100 at process", "1 L4 at process", "1 cpu at process"]


def test_a_size_accepts_every_gpu_with_so_much_memory_cheapest_first():
    found = accepted("24GB", offer("H100"), offer("T4"), offer("A10"), offer("L4"), offer("cpu"))
    assert found == ["1 L4 at process", "1 A10 at process", "1 H100 at process"]


def test_a_size_goes_by_the_name_plate_not_by_what_the_driver_reports():
    assert offer("L4").memory_bytes < 24 * GIB
    assert accepted("24GB", offer("L4")) == ["1 L4 at process"]


def test_a_gpu_that_the_table_lacks_goes_by_its_reported_memory():
    unlisted = replace(offer("GH200"), memory_bytes=96 * GIB)
    assert accepted("96GB", unlisted) == ["1 GH200 at process"]
    assert accepted("97GB", unlisted) == []


def test_real_devices_come_before_simulated_ones():
    found = accepted("H100", offer("H100", simulated=True), offer("H100", spawner="slurm"))
    assert found == ["1 H100 at slurm", "1 H100 (simulated) at process"]


def test_equal_offers_are_tried_by_their_spawners_name():
    assert accepted("T4", offer("T4", spawner="slurm"), offer("T4", spawner="docker")) == [
        "1 T4 at docker",
        "1 T4 at slurm",
    ]


def test_cpu_accepts_only_offers_without_a_gpu():
    assert accepted("cpu", offer("H100"), offer("cpu")) == ["1 cpu at process"]


def test_more_than_an_offer_ever_has_is_no_option():
    assert accepted("H100:3", offer("H100", 2)) == []


def test_a_refusal_says_what_was_asked_what_there_is_and_what_to_type():
    error = refused("H100:4", offer("cpu"), offer("T4", 4, simulated=True), offer("H100", 2))
    assert str(error) == (
        "H100:4 can't be had; all that is here: 2 H100, 4 T4 (simulated) and cpu."
        " Type `%%gpu H100:2`, `%%gpu cpu` or `farcell login URL` for a gateway that has it."
    )
    assert error.details == {"asked": "H100:4", "offered": ["2 H100", "4 T4 (simulated)", "cpu"]}


def test_a_refusal_for_an_absent_type_names_the_smallest_that_are_here():
    error = refused("B200", offer("H100"), offer("L4"), offer("T4"))
    assert "Type `%%gpu T4`, `%%gpu L4` or `farcell login URL`" in str(error)


def test_a_refusal_on_a_machine_without_gpus_names_the_ways_on():
    assert str(refused("H100", offer("cpu"))) == (
        "H100 can't be had; all that is here: cpu."
        " Type `%%gpu cpu` or `farcell login URL` for a gateway that has it."
    )


def test_a_refusal_where_nothing_is_offered_says_so():
    assert "nothing is offered here now. Type `farcell login URL`" in str(refused("H100"))


def test_a_type_that_the_table_lacks_is_refused_as_unknown():
    with pytest.raises(UnknownGpu, match="nearest: H100"):
        refusal(Request.from_json("H1000"), [offer("H100")], TABLE)


# --- walls ---


def walled(name: str, *isolations: Isolation, spawner: str = "docker") -> Offer:
    """The first is what it has unasked."""
    return replace(offer(name, spawner=spawner), isolation=isolations[0], isolations=isolations)


BOTH = (Isolation.CONTAINER, Isolation.SANDBOX)


@pytest.mark.parametrize(
    ("isolation", "network", "spawners"),
    [
        (None, None, ["docker", "process", "sandboxes"]),
        ("container", None, ["docker"]),
        ("sandbox", None, ["docker", "sandboxes"]),
        ("none", None, ["process"]),
        (None, "none", ["docker", "sandboxes"]),
        (None, "pypi.org", ["docker", "sandboxes"]),
        ("sandbox", "egress", ["docker", "sandboxes"]),
        ("none", "egress", []),
    ],
)
def test_only_offers_with_such_walls_are_considered(isolation, network, spawners):
    offers = [
        offer("H100"),
        walled("H100", *BOTH),
        walled("H100", Isolation.SANDBOX, spawner="sandboxes"),
    ]
    found = options(Request.parse("H100"), offers, TABLE, Walls.parse(isolation, network))
    assert [option.offer.spawner for option in found] == spawners


def refused_walls(walls: Walls, *offers: Offer) -> str:
    return refusal(Request.parse("H100"), offers, TABLE, walls).message


def test_where_no_spawner_makes_walls_the_refusal_says_so():
    assert refused_walls(Walls.parse("sandbox", None), offer("H100")) == (
        "H100 can't be had with --isolation sandbox: isolation none is all that process has here; "
        "leave that out, or ask the gateway's operator for a spawner that makes walls, such as docker."
    )
    assert refused_walls(Walls.parse(None, "none"), offer("H100")) == (
        "H100 can't be had with --network none: containers of process have the network of the machine, and no "
        "walls; leave that out, or ask the gateway's operator for a spawner that makes walls, such as docker."
    )


def test_a_gpu_that_is_not_there_is_refused_as_that_whatever_the_walls():
    assert "L4 can't be had; all that is here: 2 H100." in (
        refusal(Request.parse("L4"), [offer("H100")], TABLE, Walls.parse("sandbox", None)).message
    )
