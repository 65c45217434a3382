# SPDX-License-Identifier: Apache-2.0
"""What the cluster does: bugs in the model that the proof rests on.

In a cluster that does otherwise than Kubernetes the shipped operator breaks its
promises: so the laws notice.
"""

from typing import Final

from properties.curated.mutant import Mutant

MODEL: Final[tuple[Mutant, ...]] = (
    # --- The API server ---------------------------------------------------------
    Mutant(
        "A status is written whatever version it was decided on.",
        (2,),
        "mpijob_operator.simulation.cluster",
        "        if no := refusals.replace_guard(",
        "        if (no := None) and refusals.replace_guard(",
        (
            "scene: one worker, suspended at its start",
            "scene: one worker, suspended at its start | P10",
        ),
    ),
    Mutant(
        "An object is deleted whichever uid was meant.",
        (4, 11),
        "mpijob_operator.simulation.cluster",
        "        if no := refusals.delete_guard(",
        "        if (no := None) and refusals.delete_guard(",
        ("scene: one worker, its name taken | P9",),
    ),
    Mutant(
        "An apply takes no notice of its guard.",
        (2, 16),
        "mpijob_operator.simulation.cluster",
        "        if no := refusals.apply_guard(",
        "        if (no := None) and refusals.apply_guard(",
        (
            "scene: no workers, the launcher Job resumed by somebody",
            "scene: one worker, its name taken",
        ),
    ),
    Mutant(
        "A write is no new version.",
        (2, 3),
        "mpijob_operator.simulation.cluster",
        "        self.revision += 1\n"
        '        metadata = {**value["metadata"], "resourceVersion"',
        '        metadata = {**value["metadata"], "resourceVersion"',
        ("scene: one worker, nothing amiss",),
    ),
    Mutant(
        "What is made takes the place of what has its name.",
        (4, 11),
        "mpijob_operator.simulation.cluster",
        "        if ref in self.objects:\n            return refusals.exists(ref)\n",
        "",
        ("cluster: a name is given once", "scene: one worker, its name taken"),
    ),
    Mutant(
        "Nothing holds an object that is deleted.",
        (10,),
        "mpijob_operator.simulation.cluster",
        "        if not finalizers and not seconds:\n",
        "        if not seconds:\n",
        ("cluster: what is held stays",),
    ),
    Mutant(
        "An edit is no new generation.",
        (2, 3),
        "mpijob_operator.simulation.cluster",
        'generation = metadata["generation"] + 1\n',
        'generation = metadata["generation"]\n',
        (
            "cluster: each write is a version and each edit a generation",
            "scene: two workers, scaled, deleted, made anew",
        ),
    ),
    Mutant(
        "A refused apply has been done.",
        (2, 16),
        "mpijob_operator.simulation.cluster",
        "            return no\n        after = outcome.value if live is None",
        "            if live is not None:\n"
        "                self._write(ref, live, merging.without_nulls(outcome.value))\n"
        "            return no\n        after = outcome.value if live is None",
        ("cluster: what is refused changes nothing",),
    ),
    # --- The garbage collector --------------------------------------------------
    Mutant(
        "Nothing of a job that is gone is collected.",
        (10,),
        "mpijob_operator.simulation.garbage_collector",
        "if owners and uids.isdisjoint(owners) ",
        "if owners and uids.isdisjoint(uids) ",
        ("scene: one worker, deleted and anew",),
    ),
    Mutant(
        "A Job that is deleted in the foreground never goes.",
        (10,),
        "mpijob_operator.simulation.garbage_collector",
        "        return [_release(cluster, ref, FOREGROUND)]\n",
        "        return []\n",
        ("scene: one worker, suspended and resumed",),
    ),
    Mutant(
        "A Job goes before its pods.",
        (10, 12),
        "mpijob_operator.simulation.garbage_collector",
        "    if not blocking:\n",
        "    if True:\n",
        ("cluster: a job goes after its pods",),
    ),
    # --- The Job controller -----------------------------------------------------
    Mutant(
        "A second pod is made while the first still goes.",
        (15,),
        "mpijob_operator.simulation.job_controller",
        '    if view.unfinished or "Pod" in',
        '    if view.active or "Pod" in',
        (
            "scene: no workers, the launcher Job resumed by somebody",
            "scene: one worker, two failures",
        ),
    ),
    Mutant(
        "A pod that was counted is held for ever.",
        (10,),
        "mpijob_operator.simulation.job_controller",
        "    cluster.update(pod, released(ended, TRACKING))\n",
        "    cluster.update(pod, ended)\n",
        ("scene: one worker, suspended and resumed",),
    ),
    Mutant(
        "A pod that succeeded is counted as failed.",
        (7,),
        "mpijob_operator.simulation.job_controller",
        '"succeeded" if status_of(ended)["phase"] == "Succeeded" else "failed"',
        '"failed" if status_of(ended)["phase"] == "Succeeded" else "succeeded"',
        ("scene: one worker, nothing amiss",),
    ),
    Mutant(
        "A Job that is told to stop goes on.",
        (10,),
        "mpijob_operator.simulation.job_controller",
        '    if not spec_of(view.job).get("suspend"):\n',
        '    if not spec_of(view.job).get("suspended"):\n',
        ("scene: one worker, suspended and resumed",),
    ),
    Mutant(
        "A Job has ended once it is certain how.",
        (7, 15),
        "mpijob_operator.simulation.job_controller",
        "        if view.unfinished:\n            return _deletions(view)\n",
        "",
        ("cluster: a job that has ended has no pod that runs",),
    ),
    Mutant(
        "A pod that a suspension stops has failed.",
        (7,),
        "mpijob_operator.simulation.job_controller",
        '    if view.active or is_true(view.job, "Suspended"):\n'
        "        return _deletions(view, uncounted=True)\n",
        '    if view.active or is_true(view.job, "Suspended"):\n'
        "        return _deletions(view)\n",
        ("trouble: a job that nobody touches has one end of each kind",),
    ),
    # --- The nodes --------------------------------------------------------------
    Mutant(
        "A program that exits with 0 has failed.",
        (7,),
        "mpijob_operator.simulation.nodes",
        '    phase = "Failed" if code or reason else "Succeeded"\n',
        '    phase = "Failed"\n',
        ("scene: one worker, nothing amiss",),
    ),
    Mutant(
        "A pod that is deleted never ends.",
        (10, 15),
        "mpijob_operator.simulation.nodes",
        "    _end(cluster, ref, SIGTERM_CODE)\n",
        "    del cluster, ref\n",
        ("scene: one worker, suspended and resumed",),
    ),
    # --- Server-side apply ------------------------------------------------------
    Mutant(
        "What is taken from an owner stays its own.",
        (16,),
        "mpijob_operator.simulation.fields",
        "    return owned - changes.modified - changes.added - changes.removed\n",
        "    return owned - changes.removed\n",
        ("apply",),
    ),
    Mutant(
        "Who owns nothing any more is an owner.",
        (16,),
        "mpijob_operator.simulation.fields",
        "    return {who: what for who, what in owners.items() if what}\n",
        "    return {who: what for who, what in owners.items() if who}\n",
        ("apply",),
    ),
    Mutant(
        "What is applied no more stays.",
        (8, 16),
        "mpijob_operator.simulation.fields",
        "    return without(gone & declared(last))\n",
        "    return after if gone else after\n",
        ("apply",),
    ),
    Mutant(
        "To apply the same again changes who owns it.",
        (6, 16),
        "mpijob_operator.simulation.fields",
        "    return Outcome(after, _somebodys({**left, owner: asked - IDENTITY}))\n",
        "    return Outcome(after, _somebodys({**left, owner: asked - last}))\n",
        ("apply",),
    ),
)
