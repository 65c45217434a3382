# SPDX-License-Identifier: Apache-2.0
"""What a status says: bugs in conditions, times and counts."""

from typing import Final

from properties.curated.mutant import Mutant

STATUSES: Final[tuple[Mutant, ...]] = (
    # --- The status -------------------------------------------------------------
    Mutant(
        "A condition's transition time moves with every word.",
        (14,),
        "mpijob.conditions",
        "    if old.status != said.status:\n",
        "    if True:\n",
        ("conditions: each time moves with what it dates",),
    ),
    Mutant(
        "A condition that says the same again is written again.",
        (6, 14),
        "mpijob.conditions",
        "    if _words(old) == _words(said):\n        return status\n",
        "",
        (
            "conditions: saying it twice is saying it once",
            "reconcile: a granted wish is not wished again",
        ),
    ),
    Mutant(
        "A clock that runs back takes the times of conditions along.",
        (14,),
        "mpijob.conditions",
        "return now if old is None else max(old, now)",
        "return now",
        (
            "conditions: transition times move with the status alone",
            "conditions: each time moves with what it dates",
        ),
    ),
    Mutant(
        "A condition that changes goes to the end of the list.",
        (14, 18),
        "mpijob.conditions",
        "conditions = tuple(new if c is old else c for c in status.conditions)",
        "conditions = (*(c for c in status.conditions if c is not old), new)",
        ("conditions: conditions keep their places",),
    ),
    Mutant(
        "A job that has ended still runs, says the status.",
        (14,),
        "mpijob.report",
        "    if not case.had_started or is_false:\n",
        "    if True:\n",
        (
            "conditions: the end is written whole",
            "scene: one worker, nothing amiss",
        ),
    ),
    Mutant(
        "A job that has ended runs, says a late look.",
        (14,),
        "mpijob.report",
        "    if not case.had_started or is_false:\n        return status\n",
        "    if not case.had_started or (is_false and not case.workers_running):\n"
        "        return status\n"
        "    if verdict is None and case.workers_running:\n"
        "        running = true(ConditionType.RUNNING, Reason.RUNNING, 'It runs.')\n"
        "        return with_condition(status, running, case.now)\n",
        ("scene: one worker, nothing amiss",),
    ),
    Mutant(
        "A verdict has no completionTime.",
        (14,),
        "mpijob.report",
        "    status = evolve(status, completion_time=end)\n",
        "",
        (
            "conditions: the end is written whole",
            "scene: one worker, nothing amiss",
        ),
    ),
    Mutant(
        "observedGeneration falls when an old view is reported.",
        (2, 14),
        "mpijob.report",
        "generation = max(case.job.generation, status.observed_generation or 0)",
        "generation = case.job.generation",
        ("conditions: created never leaves",),
    ),
    Mutant(
        "A suspended job keeps its startTime.",
        (13,),
        "mpijob.report",
        "        status = evolve(status, start_time=None)\n",
        "        pass\n",
        ("scene: one worker, suspended at its start",),
    ),
    Mutant(
        "A job that is to be suspended holds nothing at once.",
        (10, 13),
        "mpijob.report",
        "    if stage is Stage.SUSPENDED:\n",
        "    if stage in SUSPENSION:\n",
        ("scene: one worker, suspended and resumed | P18",),
    ),
    Mutant(
        "startTime is set anew at each look.",
        (6,),
        "mpijob.report",
        "starts = stage in ACTIVE and status.start_time is None",
        "starts = stage in ACTIVE",
        ("evidence: what time alone changes is looked at in time",),
    ),
    Mutant(
        "A job is completed before it was started, where clocks differ.",
        (14,),
        "mpijob.report",
        "return max(at, old.start_time or at)",
        "return at",
        ("evidence: no end comes before its start",),
    ),
    Mutant(
        "A worker on its way out holds no node any more.",
        (15, 10),
        "mpijob.counts",
        "live = sum(pod.live for pod in (*workers.values(), *case.roster.strays))",
        "live = sum(pod.live and not pod.terminating"
        " for pod in (*workers.values(), *case.roster.strays))",
        (
            "plan: the status counts each pod that is or will be",
            "scene: one worker, suspended and resumed",
        ),
    ),
    Mutant(
        "Workers that are still to be made do not count.",
        (1, 2),
        "mpijob.counts",
        "active=live + (replicas - there if wanted else 0),",
        "active=live,",
        (
            "plan: the status counts each pod that is or will be",
            "scene: one worker, nothing amiss",
        ),
    ),
    Mutant(
        "A worker that has succeeded and is gone never succeeded.",
        (7,),
        "mpijob.counts",
        "succeeded=max(recorded.succeeded, succeeded),",
        "succeeded=succeeded,",
        ("evidence: what was counted stays counted",),
    ),
    Mutant(
        "A resumed job begins with the failures of its last start.",
        (8, 13),
        "mpijob.counts",
        "failed=0 if fresh else failure_count(case),",
        "failed=failure_count(case),",
        ("evidence: each start counts its own failures",),
    ),
    Mutant(
        "A launcher Job that has no pod yet holds no node.",
        (1, 2),
        "mpijob.counts",
        "at_least = 1 if wanted or (job is not None and not job.finished) else 0",
        "at_least = 0",
        (
            "plan: the status counts each pod that is or will be",
            "scene: one worker, nothing amiss",
        ),
    ),
    Mutant(
        "A status loses the fields that others wrote into it.",
        (16,),
        "mpijob.wire",
        "    result = dict(status.other)\n",
        "    result: dict[str, Any] = {}\n",
        ("wire: what others wrote into a status stays",),
    ),
    Mutant(
        "What held a job back holds it back for good, says the status.",
        (8, 14),
        "mpijob.report",
        "    elif old.is_true(ConditionType.BLOCKED):\n",
        "    elif blocks and old.is_true(ConditionType.BLOCKED):\n",
        (
            "simulated_cluster: an obstacle that goes leaves no trace",
            "scene: one worker, good requests refused | P33",
        ),
    ),
)
