# SPDX-License-Identifier: Apache-2.0
"""What the API server would say of an MPIJob, without one: its schema, and its CEL.

The schema is checked by what ships; the rules by a CEL of Google's, with the API
server's ways around it: a rule that names the old object is asked when there is one,
and where nothing changed no other rule is (validation ratcheting).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from attrs import frozen

# The package has stubs, and no marker that says so.
from cel_expr_python import (  # type: ignore[import-untyped] # See above.
    cel,  # pyright: ignore[reportMissingTypeStubs] # See above.
)
from cel_expr_python.ext import (  # type: ignore[import-untyped] # See above.
    ext_optional,  # pyright: ignore[reportMissingTypeStubs] # See above.
)

import mpijob_crd
from mpijob_operator.field_path import path_text
from mpijob_operator.schema import Schema

Json = Mapping[str, Any]

SCHEMA: Final = Schema(mpijob_crd.schema())
OLD: Final = re.compile(r"\boldSelf\b")

_ENV: Final = cel.NewEnv(
    variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
    extensions=[ext_optional.ExtOptional()],
)


@frozen
class Site:
    """A value that rules speak of: the new one, and the old one if there was one."""

    path: tuple[str, ...]
    rules: tuple[Json, ...]
    new: Any
    old: Any = None

    def broken(self) -> Iterator[str]:
        """Give what each rule says that does not hold."""
        for rule in self.rules:
            if self._is_asked(rule) and not self._holds(rule):
                where = f"{path_text(self.path)}{rule.get('fieldPath', '')}"
                yield f"{where.lstrip('.')}: {rule['message']}"

    def _is_asked(self, rule: Json) -> bool:
        if rule.get("optionalOldSelf"):
            return True
        if OLD.search(rule["rule"]):
            return self.old is not None
        return self.old is None or self.old != self.new

    def _holds(self, rule: Json) -> bool:
        text: str = rule["rule"]
        if rule.get("optionalOldSelf"):
            known = self.old is not None
            text = OLD.sub("optional.of(oldSelf)" if known else "optional.none()", text)
        data = {"self": self.new, "oldSelf": self.old}
        value = _ENV.compile(text).eval(data=data).plain_value()
        assert isinstance(value, bool), f"{text}: {value}"  # An error is no answer.
        return value


def sites(
    schema: Json, new: object, old: object, path: tuple[str, ...] = ()
) -> Iterator[Site]:
    """Give every value that rules speak of. Lists are left out: no rule is in one."""
    if rules := schema.get("x-kubernetes-validations"):
        yield Site(path, tuple(rules), new, old)
    if not isinstance(new, Mapping):
        return
    before = cast("Json", old if isinstance(old, Mapping) else {})
    for key, value in cast("Json", new).items():
        known = schema.get("properties", {}).get(
            key, schema.get("additionalProperties")
        )
        if known is not None:
            yield from sites(known, value, before.get(key), (*path, key))


def refusals(new: Json, old: Json | None = None) -> tuple[str, ...]:
    """Return all that speaks against this object, or against this change of it.

    The schema is asked as of a new object: it forgives nothing for being old.
    """
    if problems := SCHEMA.problems_of(new):
        # Nor does the API server ask rules of what does not fit the schema.
        return tuple(f"{p.path}: {p.message}" for p in problems)
    stored = SCHEMA.with_defaults(new)
    before = None if old is None else SCHEMA.with_defaults(old)
    found = sites(SCHEMA.open_api, stored, before)
    return tuple(fault for site in found for fault in site.broken())
