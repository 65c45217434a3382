# SPDX-License-Identifier: Apache-2.0
"""Import another text in place of a module, and be silent: for a process of its own."""

import importlib.abc
import importlib.machinery
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


class InPlaceOf(importlib.abc.MetaPathFinder):
    """Imports a text where a module is asked for."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module, self._path, self._source = module, str(path), source

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the one module, and for no other."""
        del path, target
        if fullname != self._module:
            return None
        loader = _Loader(fullname, self._path)
        loader.source = self._source
        return importlib.machinery.ModuleSpec(fullname, loader, origin=self._path)


class _Loader(importlib.machinery.SourceFileLoader):
    source = ""

    def get_data(self, path: str) -> bytes:
        del path
        return self.source.encode()

    def path_stats(self, path: str) -> dict[str, float]:
        del path
        raise OSError("a mutant is not cached")


def silence() -> None:
    """Let this process hear and say nothing more."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
