"""Orders of a line: their numbers, what they make, and what became of each."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["PRODUCTS", "Order", "OrderBook", "OrderRecord", "Product"]


@dataclass(frozen=True, slots=True)
class Product:
    """What a line makes; names carry accents, because brands do and encodings fail on them."""

    name: str
    recipe: str


PRODUCTS = (
    Product("Água Fresca 0,5 L", "R-101"),
    Product("Crème Soda", "R-204"),
    Product("Jabłko Malina", "R-310"),
    Product("Leeds Ginger", "R-115"),
    Product("Limão e Chá", "R-122"),
    Product("Süße Traube", "R-233"),
    Product("Yorkshire Tonic", "R-118"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """So many good pieces of one product."""

    id: str
    product: Product
    quantity: int


@dataclass(slots=True)
class OrderRecord:
    """An order at one machine: what the counters read when it began, and what it has made.

    Times are RFC 3339 UTC texts, empty while they are to come: `finished` is when its last
    piece was counted, `ended` when the next order began.
    """

    id: str
    product: str
    quantity: int
    start_good: int
    start_bad: int
    good: int
    bad: int
    started: str
    finished: str = ""
    ended: str = ""


class OrderBook:
    """The orders of one line. Order number n is the same whenever it is asked for."""

    def __init__(self, prefix: str, *, seed: int, rate_per_h: float) -> None:
        self._prefix = prefix
        self._seed = seed
        self._rate_per_h = rate_per_h

    def order(self, number: int) -> Order:
        """Order `number` of this line, counted from 1."""
        rng = random.Random(f"{self._seed}:{self._prefix}:{number}")
        pieces = self._rate_per_h * rng.uniform(*_LENGTH_H)
        return Order(
            id=f"{self._prefix}-{number:05d}",
            product=rng.choice(PRODUCTS),
            quantity=max(_LEAST_QUANTITY, round(pieces / 100) * 100),
        )


#: Orders of three to six minutes: whoever watches a demo sees several.
_LENGTH_H = (3 / 60, 6 / 60)
_LEAST_QUANTITY = 10
