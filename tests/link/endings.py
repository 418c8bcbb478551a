"""How cells and sessions have to end, whatever happened to them."""

from __future__ import annotations

from far_world import World
from scripted_cell import Script, Told
from the_book import charged_and_owed


def assert_whole(script: Script, told: Told) -> None:
    """All came, in order, and nothing twice."""
    assert told.end is not None
    assert told.end.error is None
    assert told.shown == script.expected
    assert told.questions == script.questions
    assert script.times_run == 1


def assert_ended_cleanly(world: World, name: str) -> None:
    """One lease has been enough, its bill is right, and with its end all is free again."""
    session = world.session(name)
    leases = [
        one for one in world.client.get("/farcell/v1/leases")["leases"] if one["session_id"] == session.id
    ]
    assert [one["id"] for one in leases] == [session.lease_id]
    world.client.stop(session.id)
    assert not world.of_lease(session)
    assert free(world) == 8
    assert all(paid == owed for paid, owed in charged_and_owed(world.folder).values())


def free(world: World) -> int:
    """How many devices are."""
    return next(offer.count_free for offer in world.client.offers() if offer.name == "H100")
