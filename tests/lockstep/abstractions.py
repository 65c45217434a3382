# SPDX-License-Identifier: Apache-2.0
"""What the server in memory does not claim, and so is not compared: a table.

Each row that takes something out of a comparison counts how often it did, so that a row
which is needed no more is found. `python -m tests.lockstep --table` prints it.
"""

import collections
import enum
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from mpijob_operator.simulation import fields
from tests.lockstep.backends import BINDING, Said
from tests.lockstep.objects import Json


class Row(enum.Enum):
    """Something that is left out: what, and why."""

    # What a comparison leaves out.
    STATUS = (
        "the QoS class of a Pod, the load balancer of a Service",
        "the server fills them in; nothing that we have reads them",
    )
    UNAPPLIED = (
        "who owns what of an object that nobody has applied",
        "whose a field is matters to an apply alone; who never applies costs nothing",
    )
    TOGETHER = (
        "who had which field, before the first apply; and who has the status",
        "one owner has what they had together, and that is compared",
    )
    SERVERS = (
        "fields that the server sets and nobody owns, like deletionTimestamp",
        "that one owner has them as well: he was given all that was there",
    )
    BINDING = (
        "the owner of what a binding sets, and the condition PodScheduled",
        "nobody owns it; the scheduler in memory writes the condition by itself",
    )
    DELETED = (
        "what is answered to a deletion that is done at once",
        "a Status in memory; the object, for some kinds, by the real one",
    )
    NULLS = (
        "null, in what is answered to the apply that ends a custom resource",
        "the real one answers before it has kept anything, where null goes",
    )
    WORDS = (
        "the words of a refusal, but for a conflict's",
        "code, reason and the fields at fault are compared",
    )
    # What no program does.
    VALIDATION = (
        "what is wrong and is in no table",
        "`simulation/tables` has what our operator, its users or Kueue can meet",
    )
    DEFAULTS = (
        "defaults",
        "programs write objects that say all that the server would fill in",
    )
    ADMISSION = (
        "quotas, webhooks, priorities, service accounts",
        "a kind is admitted or refused; a test or a user of `simulate` says which",
    )
    NAMES = ("generateName", "the names that a server chooses are random")
    EVENTS = ("Events", "they are told and not kept")
    GIVEN_NULLS = (
        "null as the value of a known field in what is applied to a built-in kind",
        "the real one keeps an empty value or refuses it; whoever plans sends none",
    )
    APPLIED_STATUS = ("an apply to a subresource", "we have none")
    OLDER = (
        "who owns metadata that a status is sent without, before Kubernetes 1.37",
        "older servers take it from its owners; to those, programs send it along",
    )
    PUT = (
        "a replacement of anything but a status by request",
        "users and programs in memory write what they have just read",
    )
    LISTS = (
        "pages, old lists, watches that are cut off or start late",
        "who watches in memory is told of each change once and in its order",
    )

    @property
    def what(self) -> str:
        """What is left out."""
        return self.value[0]

    @property
    def why(self) -> str:
        """Why, and what stands in its place."""
        return self.value[1]


COMPARED: Final = (
    Row.STATUS,
    Row.UNAPPLIED,
    Row.TOGETHER,
    Row.SERVERS,
    Row.BINDING,
    Row.DELETED,
    Row.NULLS,
    Row.WORDS,
)
"""The rows that take something out of a comparison; no program does the others."""

Tally = collections.Counter[Row]

_STATUS: Final[Mapping[str, Json]] = {
    "Pod": {"qosClass": "BestEffort"},
    "Service": {"loadBalancer": {}},
}
_SERVERS: Final = (
    ("f:metadata", "f:deletionTimestamp"),
    ("f:metadata", "f:deletionGracePeriodSeconds"),
    ("f:metadata", "f:finalizers", 'v:"foregroundDeletion"'),
    ("f:metadata", "f:finalizers", 'v:"orphan"'),
    ("f:metadata", "f:finalizers"),
    ("f:spec", "f:nodeName"),
)

_Owner = tuple[str, str, str]
_Owners = dict[_Owner, Json]
_ANYBODY: Final[_Owner] = (fields.UPDATE, "anybody", "")
_BINDER: Final[_Owner] = (BINDING.operation, BINDING.manager, "")


@frozen
class Pair:
    """What the two servers say of one object, taken apart to be compared."""

    model: Json
    real: Json


def comparable(model: Json, real: Json, tally: Tally) -> Pair:
    """Return two objects without what is not compared; versions are, elsewhere."""
    mine, its = _owners(model), _owners(real)
    if _BINDER in mine:
        tally[Row.BINDING] += 1
        del mine[_BINDER]
    if not mine:
        tally[Row.UNAPPLIED] += bool(its)
        its = {}
    if any(manager == fields.BEFORE_FIRST_APPLY for _, manager, _ in mine):
        tally[Row.TOGETHER] += 1
        mine, its = _together(mine), _together(its)
        tally[Row.SERVERS] += _pardoned(mine, its)
    return Pair(_bare(model, mine, tally), _bare(real, its, tally))


def _owners(value: Json) -> _Owners:
    return {
        (m["operation"], m["manager"], m.get("subresource", "")): m["fieldsV1"]
        for m in value["metadata"].get("managedFields", ())
    }


def _bare(value: Json, owners: _Owners, tally: Tally) -> Json:
    told = value["metadata"].items()
    known = {k: v for k, v in told if k not in ("managedFields", "resourceVersion")}
    metadata = {k: v for k, v in known.items() if v is not None}
    tally[Row.NULLS] += len(known) - len(metadata)
    owned = {" ".join(owner): tree for owner, tree in owners.items() if tree}
    bare = {**value, "metadata": metadata, "owned": owned}
    filled = _STATUS.get(value["kind"], {})
    status: Json = dict(value.get("status", {}))
    if filled.items() <= status.items() and filled:
        tally[Row.STATUS] += 1
        status = {k: v for k, v in status.items() if k not in filled}
        bare["status"] = status
    if value["kind"] == "Pod" and "conditions" in status:
        tally[Row.BINDING] += 1
        del bare["status"]["conditions"]
    if not status and value["kind"] == "Service":
        bare.pop("status", None)
    return bare


def _together(owners: _Owners) -> _Owners:
    """Return the owners, those that updated as one."""
    updates = [tree for owner, tree in owners.items() if owner[0] == fields.UPDATE]
    applies = {o: tree for o, tree in owners.items() if o[0] != fields.UPDATE}
    together = _union(updates)
    together.pop("f:status", None)
    return {**applies, _ANYBODY: together}


def _union(trees: list[Json]) -> Json:
    found: Json = {}
    for tree in trees:
        for step, inner in tree.items():
            # Whether one owns what a field is in, too, tells the two apart.
            if step != ".":
                found[step] = _union([found.get(step, {}), inner])
    return found


def _pardoned(mine: _Owners, its: _Owners) -> int:
    """Take from the one in memory what only it says is owned; return how much."""
    paths = [path for path in _SERVERS if not _has(its[_ANYBODY], path)]
    return sum(_dropped(mine[_ANYBODY], path) for path in paths)


def _has(tree: Json, path: tuple[str, ...]) -> bool:
    return not path or (path[0] in tree and _has(tree[path[0]], path[1:]))


def _dropped(tree: Json, path: tuple[str, ...]) -> bool:
    """Drop a field that has no others in it, and what it alone was in."""
    step, *rest = path
    if step not in tree:
        return False
    done = _dropped(tree[step], tuple(rest)) if rest else not tree[step]
    if done and not tree[step]:
        del tree[step]
    return done


# --- Refusals ----------------------------------------------------------------------

_CONFLICT: Final = re.compile(r"conflict with .*")


def causes(mine: Said, its: Said, tally: Tally) -> tuple[list[Any], list[Any]]:
    """Return what two refusals say is at fault."""
    alike: Callable[[str], str] = _who
    if any(fields.BEFORE_FIRST_APPLY in words for *_, words in mine.causes):
        tally[Row.TOGETHER] += 1
        alike = _nobody
    tally[Row.WORDS] += bool(mine.causes)
    told = [
        sorted({(field, reason, alike(words)) for field, reason, words in one.causes})
        for one in (mine, its)
    ]
    return told[0], told[1]


def _who(words: str) -> str:
    """Return with whom a conflict is; empty of another fault."""
    return words.partition(" at ")[0] if _CONFLICT.match(words) else ""


def _nobody(words: str) -> str:
    del words
    return ""
