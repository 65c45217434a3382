# SPDX-License-Identifier: Apache-2.0
"""Kubernetes quantities: read, added, compared and written, exactly.

A quantity is an integer of nano units here; what is finer is rounded up, as
`resource.Quantity` of Kubernetes does.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

NANO: Final = 10**9

# Suffix -> nano units, each a multiple of the one before it.
_SMALL: Final = {"n": 1, "u": 10**3, "m": 10**6, "": NANO}
_DECIMAL: Final = _SMALL | {c: NANO * 1000**i for i, c in enumerate("kMGTPE", 1)}
_BINARY: Final = _SMALL | {f"{c}i": NANO * 1024**i for i, c in enumerate("KMGTPE", 1)}
_UNITS: Final = _DECIMAL | _BINARY

# The API server stores no larger numbers; beyond, an exponent is a way to eat memory.
_EXPONENT_MAX: Final = 30

_QUANTITY: Final = re.compile(
    r"([+-]?)([0-9]{0,40})(?:\.([0-9]{0,40}))?(?:([EPTGMK]i|[EPTGMknum])|[eE]([+-]?[0-9]{1,3}))?"
)


def nano(quantity: object) -> int | None:
    """Return a quantity in nano units, rounded up; None where it is none.

    >>> nano("1.5Gi") == 3 * 2**29 * NANO, nano("500m"), nano(2), nano("2 cores")
    (True, 500000000, 2000000000, None)
    """
    if isinstance(quantity, bool) or not isinstance(quantity, int | float | str):
        return None
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None or not (match[2] or match[3]):
        return None
    sign, whole, part, suffix, exponent = match.groups(default="")
    if abs(power := int(exponent or 0)) > _EXPONENT_MAX:
        return None
    power -= len(part)
    digits = int(whole + part) * _UNITS[suffix] * 10 ** max(power, 0)
    value: int = -(-digits // 10 ** max(-power, 0))  # Rounded up.
    return -value if sign == "-" else value


def text(value: int, *, binary: bool) -> str:
    """Write nano units in the canonical form: no fraction, the largest suffix.

    >>> text(nano("0.5"), binary=False), text(nano("12544Mi"), binary=True)
    ('500m', '12544Mi')
    """
    units = _BINARY if binary else _DECIMAL
    exact = [suffix for suffix, unit in units.items() if value % unit == 0]
    suffix = exact[-1] if value else ""
    return f"{value // units[suffix]}{suffix}"


def total(lists: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Add resource lists, name by name; what is no quantity counts nothing.

    >>> total([{"cpu": "500m", "memory": "1Gi"}, {"cpu": 2, "memory": "256Mi"}])
    {'cpu': '2500m', 'memory': '1280Mi'}
    """
    sums: dict[str, int] = {}
    binary: dict[str, bool] = {}
    for resources in lists:
        for name, quantity in resources.items():
            if (value := nano(quantity)) is not None:
                sums[name] = sums.get(name, 0) + value
                binary.setdefault(name, str(quantity).endswith("i"))
    return {name: text(sums[name], binary=binary[name]) for name in sorted(sums)}


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal, as quantities where both are."""
    return one == other or (nano(one) is not None and nano(one) == nano(other))
