# SPDX-License-Identifier: Apache-2.0
"""Which of many like cases are tried at each change, and which on demand."""

from collections.abc import Iterable
from typing import Any

import pytest


def one_quick(names: Iterable[str]) -> list[Any]:
    """Have the first of several cases tried always, and the others with the long."""
    first, *others = names
    long = pytest.mark.long
    return [pytest.param(first), *(pytest.param(name, marks=long) for name in others)]
