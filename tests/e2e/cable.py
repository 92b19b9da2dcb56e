"""A cable pulled between OPC UA counters and the whole product, and the books of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path

from product import Product, settled
from witness import Books, Witness, counted

from uns.service.broker import MosquittoBroker
from uns.testing import proxied

__all__ = ["Counters", "pulled"]

MACHINE = "acme/leeds/packaging/line1/filler"
BEFORE_S = AFTER_S = 4.0
START_S = 30.0
CATCH_UP_S = 30.0
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
sparkplug: {{primary_host: uns-acme}}
types:
  filler:
    tags:
{tags}
bindings:
  plc:
    driver: opcua
    connection: {{endpoint: "opc.tcp://127.0.0.1:{port}{path}", namespace: "{namespace}", security: none}}
    tags:
{addresses}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""


@dataclass(frozen=True)
class Counters:
    """Which counters of an OPC UA server are read: `s=<letter>0` and so on."""

    port: int
    tags: int
    letter: str
    namespace: str
    path: str = ""

    @property
    def project(self) -> str:
        """They are the tags of one machine, and of each every value is wanted."""
        every = "type: UInt32, deliver: every, scan: 0.05s"
        return PROJECT.format(
            port=self.port,
            path=self.path,
            namespace=self.namespace,
            tags="\n".join(f"      c{n}: {{{every}}}" for n in range(self.tags)),
            addresses="\n".join(f'      c{n}: "s={self.letter}{n}"' for n in range(self.tags)),
        )


@dataclass
class _Run:
    """One product that reads these counters through a cable."""

    product: Product
    witness: Witness
    topics: list[str]

    def latest(self) -> dict[str, int]:
        """What the value topics show; 0 where they show nothing that is Good."""
        return {topic: self.witness.shown(topic) or 0 for topic in self.topics}

    async def all_beyond(self, count: int, wait_s: float, what: str) -> None:
        """Wait until every counter is shown beyond a count."""
        await self.product.until(lambda: min(self.latest().values()) > count, wait_s, what)


async def pulled(counters: Counters, cut_s: float, folder: Path) -> Books:
    """Pull the cable for so long; the books of every value before, during and after."""
    async with (
        MosquittoBroker(folder=folder / "mosquitto") as broker,
        proxied(counters.port) as proxy,
    ):
        witness = Witness(broker.port)
        through = replace(counters, port=proxy.port)
        topics = [f"{MACHINE}/c{n}" for n in range(counters.tags)]
        try:
            with Product(folder, through.project, broker.url) as product:
                run = _Run(product, witness, topics)
                await run.all_beyond(0, START_S, "first values")
                await asyncio.sleep(BEFORE_S)
                cut_at = time.time()
                proxy.cut()
                await asyncio.sleep(cut_s)
                proxy.heal()
                healed_at = time.time()
                before = max(run.latest().values())
                await run.all_beyond(before + 10 * cut_s, CATCH_UP_S, "values after the cut")
                await asyncio.sleep(AFTER_S)
                until = run.latest()
                await settled(lambda: not counted(witness.heard(topics), until).missing)
        finally:
            witness.close()
    return _judged(witness, topics, until, (cut_at, healed_at))


def _judged(
    witness: Witness, topics: list[str], until: dict[str, int], cut: tuple[float, float]
) -> Books:
    told = witness.heard(topics)
    books = counted(told, until)
    of_cut = [
        [one for one in values if 1000 * cut[0] < one.at_ms < 1000 * cut[1]]
        for values in told.values()
    ]
    for values in of_cut:
        newest = max(values, key=lambda one: one.at_ms)  # is current when the cable is back
        books.not_late += sum(not one.is_late and one is not newest for one in values)
        books.delay_s = max(books.delay_s, *(one.heard_s - cut[1] for one in values))
    _, late = witness.historical()
    books.not_historical = sum(
        not late[topic, one.at_ms]
        for topic, values in told.items()
        for one in values
        if one.is_late
    )
    return books
