# SPDX-License-Identifier: Apache-2.0
"""JSON that refuses to be changed, at any depth."""

from typing import Any, NoReturn, cast


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("an input was changed")


class FrozenDict(dict[str, Any]):
    """A dict that raises where a dict would change."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class FrozenList(list[Any]):
    """A list that raises where a list would change."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse


def deepfreeze(value: object) -> Any:  # noqa: ANN401 - JSON.
    """Return a copy of JSON that raises when any part of it is changed."""
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        return FrozenDict({key: deepfreeze(part) for key, part in parts.items()})
    if isinstance(value, list):
        return FrozenList(deepfreeze(part) for part in cast("list[object]", value))
    return value
