"""``farcell offers``: what can be had now."""

from __future__ import annotations

from contextlib import closing

from .command import Command
from .tables import offers_table, show


class ListOffers(Command):
    name = "farcell offers"
    description = (
        "Lists the GPUs that the gateway can give now, with what is free of each and what one costs."
    )

    def run(self) -> None:
        from ..client.blocking import Client

        with closing(Client()) as client:
            show(offers_table(client.offers()))
