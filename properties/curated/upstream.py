# SPDX-License-Identifier: Apache-2.0
"""What mpi-operator's design has had or has: each put into ours, and found.

The sources are issues and pull requests of kubeflow/mpi-operator, or v0.8.2 as it was
seen to work (the corpus). A row names the mutants of the table, or the safeguards that
the search takes away, that are the same mistake here.
"""

from typing import Final

from attrs import frozen


@frozen
class Known:
    """A mistake of upstream's design."""

    what: str  # A sentence, whose subject is mpi-operator or what is named.
    where: str
    mutants: tuple[str, ...] = ()  # By their sentences.
    safeguards: tuple[str, ...] = ()  # By the names that the search has for them.


_SEEN: Final = "v0.8.2"

UPSTREAM: Final[tuple[Known, ...]] = (
    Known(
        "With WaitForWorkersReady the launcher of a job that was suspended starts"
        " while no worker is Ready.",
        "#615, #617, #670, #868",
        (
            "launcherCreationPolicy is not asked: the launcher starts at once.",
            "A launcher that waits for its workers goes on without them.",
        ),
        ("takes a worker that is there for a Ready one",),
    ),
    Known(
        "A job resumes with the launcher Job of its last start, not as it was edited.",
        "#687",
        ("A suspended job keeps its launcher Job, and resumes the old one.",),
    ),
    Known(
        "Something is left behind when a job is suspended or has ended.",
        "#647",
        (
            "Workers of a job that has succeeded stay.",
            "A suspended job keeps its PodGroup.",
        ),
        ("leaves a launcher Job's pods behind",),
    ),
    Known(
        "A job is told to run again after its end.",
        "#787",
        (
            "A job that has ended runs, says a late look.",
            "A job that has ended still runs, says the status.",
        ),
    ),
    Known(
        "A pod on its way out counts as one that stays.",
        "#810",
        ("A worker on its way out counts as Ready.",),
        ("takes a pod that goes for one that stays",),
    ),
    Known(
        "With a TTL of 0 the result goes with the launcher Job: the job runs again.",
        f"#644, {_SEEN}",
        (
            "A job that has succeeded is asked about its launcher again.",
            "A launcher is made where its Job was deleted, with no live look at pods.",
        ),
    ),
    Known(
        "A suspended job counts nothing as active while its pods still run.",
        _SEEN,
        ("A job that is to be suspended holds nothing at once.",),
        ("says at once that a suspended job holds nothing",),
    ),
    Known(
        "Only pods that run are active: those that are made, or go, hold nodes too.",
        _SEEN,
        (
            "Workers that are still to be made do not count.",
            "A worker on its way out holds no node any more.",
        ),
        ("counts what runs, not what may",),
    ),
    Known(
        "A worker that is evicted ends the job, and one that fails stays for ever.",
        _SEEN,
        (
            "An eviction is a failure of the worker's own.",
            "A failed worker stays as it is.",
        ),
    ),
    Known(
        "A suspended job keeps its startTime.",
        _SEEN,
        ("A suspended job keeps its startTime.",),
    ),
    Known(
        "What a job leaves is told by counting names up to replicas.",
        _SEEN,
        ("When a job ends, workers up to replicas go, and no others.",),
    ),
    Known(
        "Events are told before the status, and pods made before it.",
        _SEEN,
        ("The status is written when everything else is done.",),
        ("makes pods before the status counts them",),
    ),
    Known(
        "One malformed object stops the operator.",
        _SEEN,
        (
            "A time that cannot be read stops the operator.",
            "A number of workers that is a text stops the operator.",
        ),
    ),
    Known(
        "A look through an old cache makes a launcher twice.",
        _SEEN,
        ("A cache that has not come as far as what was written is believed.",),
        ("looks before its caches show its own writes",),
    ),
)
