# SPDX-License-Identifier: Apache-2.0
"""Why a pod does not run, in the words of the scheduler or of the kubelet.

The function does not decide by it, and so does not read it; people ask for it first.
"""

from collections.abc import Iterator
from typing import Final

from mpijob.loose import Manifest, mapping, mappings, text
from mpijob_operator.field_path import printable

# What a start looks like that is going well.
_USUAL: Final = frozenset(("", "ContainerCreating", "PodInitializing"))
_WORDS_MAX: Final = 160


def why(pod: Manifest) -> str:
    """Say what holds a pod up, empty where nothing does or nobody says.

    >>> why({"status": {"conditions": [{"type": "PodScheduled", "status": "False",
    ...     "reason": "Unschedulable", "message": "0/3 nodes are available"}]}})
    'Unschedulable: 0/3 nodes are available'
    """
    return next(_reasons(mapping(pod.get("status"))), "")


def _reasons(status: Manifest) -> Iterator[str]:
    for condition in mappings(status.get("conditions")):
        scheduled = text(condition, "type") == "PodScheduled"
        if scheduled and text(condition, "status") == "False":
            yield _said(condition)
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in mappings(status.get(kind)):
            waiting = mapping(mapping(each.get("state")).get("waiting"))
            if text(waiting, "reason") not in _USUAL:
                yield f"container {printable(text(each, 'name'))}: {_said(waiting)}"


def _said(value: Manifest) -> str:
    words = (text(value, "reason"), text(value, "message"))
    return printable(": ".join(filter(None, words)), _WORDS_MAX)
