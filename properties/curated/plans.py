# SPDX-License-Identifier: Apache-2.0
"""Failed workers, and the order of deeds: bugs in those."""

from typing import Final

from properties.curated.mutant import Mutant

PLANS: Final[tuple[Mutant, ...]] = (
    # --- Failures ---------------------------------------------------------------
    Mutant(
        "An eviction is a failure of the worker's own.",
        (7,),
        "mpijob.replacement",
        "return pod.failure is None and not is_disruption(pod)",
        "return pod.failure is None",
        ("scene: one worker, an eviction",),
    ),
    Mutant(
        "A failure is forgotten with its pod.",
        (1, 8),
        "mpijob.replacement",
        "return max(recorded, case.roster.numbered)",
        "return case.roster.numbered",
        ("evidence: what was counted stays counted",),
    ),
    Mutant(
        "A number on a pod is not counted until the status has it.",
        (1,),
        "mpijob.replacement",
        "return max(recorded, case.roster.numbered)",
        "return recorded",
        ("scene: one worker, a failure too many",),
    ),
    Mutant(
        "A failed worker is replaced before it is counted.",
        (1,),
        "mpijob.replacement",
        "        if _uncounted(pod):\n            continue\n",
        "",
        ("scene: two workers, a crash, two failures",),
    ),
    Mutant(
        "A worker that fails because it goes has failed.",
        (15,),
        "mpijob.roster",
        'failed=tuple(pod for pod in staying.values() if pod.phase == "Failed"),',
        "failed=tuple(pod for i, pod in workers.items()"
        ' if i < job.workers and pod.phase == "Failed"),',
        ("cleanup: what fails on its way out is no failure",),
    ),
    Mutant(
        "A failed worker is replaced at once, however quickly it failed.",
        (6,),
        "mpijob.failures",
        "    return later(main.finished_at, REPLACE_AFTER_S)\n",
        "    return None\n",
        ("scene: one worker, failures that wait to be made good",),
    ),
    Mutant(
        "A failed worker stays as it is.",
        (8, 10),
        "mpijob.family",
        "    for pod in replaceable(case)[0]:\n        yield",
        "    for pod in ():\n        yield",
        ("scene: one worker, an eviction",),
    ),
    # --- The plan ---------------------------------------------------------------
    Mutant(
        "What is applied is applied at each look.",
        (6, 16),
        "mpijob.plan",
        "    return thing is not None and (\n",
        "    return False and thing is not None and (\n",
        ("reconcile: a granted wish is not wished again",),
    ),
    Mutant(
        "What others added to an object is taken for drift.",
        (6, 16),
        "mpijob.plan",
        "return all(_covers(known.get(key), value) for key, value in ours.items())",
        "return known == ours",
        (
            "reconcile: a granted wish is not wished again",
            "simulated_cluster: what is followed at once ends the same by any way",
        ),
    ),
    Mutant(
        "Drift is not mended.",
        (8,),
        "mpijob.plan",
        'and _covers(mapping(thing.manifest.get("data")), ',
        'and _covers(mapping(manifest.get("data")), ',
        (
            "simulated_cluster: what is followed at once ends the same by any way",
            "simulated_cluster: at rest we own what we apply",
        ),
    ),
    Mutant(
        "A field that we apply no more stays.",
        (8, 16),
        "mpijob.plan",
        "        thing.applied <= spec.keys()\n        and all(",
        "        all(",
        ("simulated_cluster: what is followed at once ends the same by any way",),
    ),
    Mutant(
        "An answer is acted on before what is to be read live was.",
        (2,),
        "mpijob.reconcile",
        "    if needs := _needs(case, standing, status) - observed.live:\n",
        "    if needs := _needs(case, standing, status) & frozenset():\n",
        (
            "evidence: an end of our making needs a live look",
            "scene: no workers, the launcher Job deleted",
        ),
    ),
    Mutant(
        "The status is written when everything else is done.",
        (1,),
        "mpijob.plan",
        "    steps += [answer.touches, answer.unwanted, answer.evictions, *changes]\n",
        "    late = [answer.touches, answer.unwanted, answer.evictions, *changes]\n"
        "    steps = [*late, *steps]\n",
        (
            "plan: intent comes before effect",
            "plan: the verdict comes before the cleanup",
            "trouble: a crash at any moment changes no end",
            "trouble: trouble of every kind changes no end",
        ),
    ),
    Mutant(
        "A failed worker goes before its number is counted.",
        (1,),
        "mpijob.plan",
        "    if answer.status != job.status:\n",
        "    steps.append(answer.unwanted)\n    if answer.status != job.status:\n",
        (
            "plan: the verdict comes before the cleanup",
            "plan: half a plan is safe",
            "trouble: a crash at any moment changes no end",
        ),
    ),
    Mutant(
        "Nobody looks again when a deadline is over.",
        (3,),
        "mpijob.reconcile",
        "moments.append(later(status.start_time, policy.active_deadline_seconds))",
        "del policy",
        (
            "evidence: what time alone changes is looked at in time",
            "scene: one worker, a deadline | P38",
        ),
    ),
    Mutant(
        "Nobody looks again when a job has been kept long enough.",
        (3, 10),
        "mpijob.reconcile",
        "        moments.append(later(status.completion_time, ttl))\n",
        "        del ttl\n",
        (
            "evidence: what time alone changes is looked at in time",
            "scene: one worker, kept for a minute | P38",
        ),
    ),
    Mutant(
        "Nobody looks again when a failed worker may be replaced.",
        (3, 8),
        "mpijob.reconcile",
        "        moments.append(replaceable(case)[1])\n",
        "        pass\n",
        (
            "evidence: what time alone changes is looked at in time",
            "scene: one worker, failures that wait to be made good | P38",
        ),
    ),
    Mutant(
        "Nobody looks again at a launcher Job that somebody suspended.",
        (3, 8),
        "mpijob.reconcile",
        "    moments.append(family.resume_at(case, stage))\n",
        "",
        ("scene: one worker, its launcher Job suspended by somebody | P38",),
    ),
)
