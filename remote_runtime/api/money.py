"""Money: integer nano-dollars (10^-9 US dollar), never a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NewType

Nanos = NewType("Nanos", int)

NANOS_PER_DOLLAR = 1_000_000_000


def nanos_from_dollars(dollars: Decimal) -> Nanos:
    """Exact; raises `ValueError` for what is negative, not finite, or finer than a nano-dollar."""
    nanos = Fraction(dollars) * NANOS_PER_DOLLAR if dollars.is_finite() else Fraction(-1)
    if nanos < 0 or nanos.denominator != 1:
        raise ValueError(f"{dollars} is not a whole, positive number of nano-dollars")
    return Nanos(int(nanos))


def parse_dollars(text: str) -> Nanos:
    """As `nanos_from_dollars`, from a decimal such as ``0.001097``."""
    try:
        return nanos_from_dollars(Decimal(text))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a decimal number of dollars") from error


def exact_dollars(nanos: int) -> str:
    """For programs: all nine digits after the point, no sign of a currency; ``0.001097000``."""
    return f"{Decimal(nanos).scaleb(-9):.9f}"


def format_dollars(nanos: int) -> str:
    """For people: cents from one dollar on, below it as many digits as show something.

    ``$1,204.50``, ``$0.0123``, ``$0.000164``, ``$0.000000013``.
    """
    if nanos < 0:
        return "-" + format_dollars(-nanos)
    thousandth, millionth = NANOS_PER_DOLLAR // 1_000, NANOS_PER_DOLLAR // 1_000_000
    steps = ((NANOS_PER_DOLLAR, 2), (thousandth, 4), (millionth, 6), (1, 9))
    digits = next((digits for least, digits in steps if nanos >= least), 4)
    return f"${Decimal(nanos) / NANOS_PER_DOLLAR:,.{digits}f}"
