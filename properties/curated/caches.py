# SPDX-License-Identifier: Apache-2.0
"""What is remembered and shown: bugs between watches and looks."""

from typing import Final

from properties.curated.mutant import Mutant

CACHES: Final[tuple[Mutant, ...]] = (
    # --- The memory -------------------------------------------------------------
    Mutant(
        "After an answer that never came the caches are believed at once.",
        (5,),
        "mpijob_operator.controller.memory",
        "        if outdated or doubtful:\n",
        "        if outdated:\n",
        ("looks: no job is looked at through its own past",),
    ),
    Mutant(
        "A cache that has not come as far as what was written is believed.",
        (2,),
        "mpijob_operator.controller.memory",
        "        if outdated or doubtful:\n",
        "        if doubtful:\n",
        (
            "looks: no job is looked at through its own past",
            "trouble: caches that lag change no end",
        ),
    ),
    Mutant(
        "A cache that shows what was written last is waited for, for ever.",
        (3, 6),
        "mpijob_operator.controller.memory",
        'age(progress.version) < age(memory.written.get(kind, ""))',
        'age(progress.version) <= age(memory.written.get(kind, ""))',
        ("scene: one worker, nothing amiss",),
    ),
    Mutant(
        "A list that was asked for while a plan was carried out shows all of it.",
        (2,),
        "mpijob_operator.controller.memory",
        "        wrote=now,\n",
        "        wrote=now - timeout_s,\n",
        ("looks: what became of a plan is known to the next look",),
    ),
    Mutant(
        "What was written is forgotten at once.",
        (2,),
        "mpijob_operator.controller.memory",
        "        written=execution.written,\n",
        "        written=memory.written,\n",
        (
            "looks: what became of a plan is known to the next look",
            "trouble: caches that lag change no end",
            "scene: one worker, a crash",
        ),
    ),
    Mutant(
        "Who has a name that was not free is not asked.",
        (6, 11),
        "mpijob_operator.controller.memory",
        "        taken=memory.taken | frozenset(execution.taken),\n",
        "        taken=memory.taken,\n",
        (
            "looks: what became of a plan is known to the next look",
            "scene: one worker, its name taken | P33",
        ),
    ),
    Mutant(
        "A request is in doubt after any trouble but the one that leaves doubt.",
        (5,),
        "mpijob_operator.controller.memory",
        "doubt=now + timeout_s if end is End.UNCERTAIN else None,",
        "doubt=now + timeout_s if end is End.BACK_OFF else None,",
        ("looks: what became of a plan is known to the next look",),
    ),
    # --- The store --------------------------------------------------------------
    Mutant(
        "What was read live is put beside what a cache shows.",
        (2,),
        "mpijob_operator.controller.store",
        "in bucket.items() if replaced.get(ref.kind) not in live",
        "in bucket.items() if replaced.get(ref.kind, live)",
        ("looks: what is read live is all there is",),
    ),
    Mutant(
        "Of two sights of one object the older counts.",
        (2,),
        "mpijob_operator.controller.store",
        "return one if age(ours) >= age(theirs) else other",
        "return one if age(ours) < age(theirs) else other",
        ("looks: of two sights the newer counts",),
    ),
    Mutant(
        "A pod that changes its label stays with its old job.",
        (3, 11),
        "mpijob_operator.controller.store",
        "            if key not in keys:\n                self._remove(key, ref)\n",
        "            pass\n",
        ("caches",),
    ),
    Mutant(
        "A pod without our label is nobody's, whoever owns it.",
        (3, 11),
        "mpijob_operator.controller.store",
        "    if sighting.owner.kind == KIND:\n",
        "    if sighting.owner.kind == KIND and not claims:\n",
        ("caches",),
    ),
    Mutant(
        "What is gone stays in the cache.",
        (3,),
        "mpijob_operator.controller.store",
        "            self._remove(key, ref)\n        return keys\n",
        "            pass\n        return keys\n",
        ("caches",),
    ),
    Mutant(
        "A job that lost a child is not told.",
        (3,),
        "mpijob_operator.controller.store",
        "        return before if keys == before else (*before, *keys)\n",
        "        return keys\n",
        ("caches",),
    ),
    # --- The queue --------------------------------------------------------------
    Mutant(
        "Of several delays the first counts, not the shortest.",
        (3,),
        "mpijob_operator.controller.queue",
        '        if due < self._due.get(key, float("inf")):\n',
        "        if key not in self._due:\n",
        ("queue",),
    ),
    Mutant(
        "What changes during a look is not looked at.",
        (3,),
        "mpijob_operator.controller.queue",
        "            heapq.heappush(self._heap, (due, key))\n"
        "            self._news.set()\n",
        "            pass\n",
        ("queue", "caches"),
    ),
    Mutant(
        "A job is looked at by two workers at a time.",
        (1, 2),
        "mpijob_operator.controller.queue",
        "                    self._active.add(key)\n",
        "",
        ("queue",),
    ),
    Mutant(
        "Nobody wakes up a worker that waits.",
        (3,),
        "mpijob_operator.controller.queue",
        "                heapq.heappush(self._heap, (due, key))\n"
        "                self._news.set()\n",
        "                heapq.heappush(self._heap, (due, key))\n",
        ("queue", "caches"),
    ),
    Mutant(
        "A delay is none.",
        (6,),
        "mpijob_operator.controller.queue",
        "                if due <= now:\n",
        "                if due:\n",
        ("queue",),
    ),
    Mutant(
        "A worker that waits for a delay waits for ever.",
        (3,),
        "mpijob_operator.controller.queue",
        "                wait = due - now\n",
        "                wait = None\n",
        ("queue", "caches"),
    ),
    # --- The reflector ----------------------------------------------------------
    Mutant(
        "What a watch says is gone is taken in as it was.",
        (3, 10),
        "mpijob_operator.controller.reflector",
        "            self.sink.gone(self.kind, self._typed(value))\n",
        "            self.sink.changed(self.kind, self._typed(value))\n",
        ("caches",),
    ),
    Mutant(
        "What a watch says is new is passed over.",
        (3,),
        "mpijob_operator.controller.reflector",
        '        elif type_ in ("ADDED", "MODIFIED"):\n',
        '        elif type_ == "MODIFIED":\n',
        ("caches",),
    ),
    Mutant(
        "A cache says that it has passed what it was not shown.",
        (2,),
        "mpijob_operator.controller.reflector",
        '            raise Unreachable(code, text(value, "message"))\n',
        '            version = str(int(self.progress.version or "0") + 1)\n'
        "            self.progress = evolve(self.progress, version=version)\n"
        '            raise Unreachable(code, text(value, "message"))\n',
        ("caches",),
    ),
    Mutant(
        "A list takes nothing out of a cache.",
        (3, 10),
        "mpijob_operator.controller.caches",
        "            if ref not in present:\n",
        "            if not present:\n",
        ("caches",),
    ),
    Mutant(
        "A job that is written is not looked at.",
        (3,),
        "mpijob_operator.controller.caches",
        "            self.queue.add(self.store.put_job(value))\n",
        "            self.store.put_job(value)\n",
        ("caches",),
    ),
    Mutant(
        "A job whose child is gone is not looked at.",
        (3,),
        "mpijob_operator.controller.caches",
        "            self._add(self.store.drop(ref))\n",
        "            self.store.drop(ref)\n",
        ("caches",),
    ),
    Mutant(
        "Who waits for a cache is forgotten.",
        (3,),
        "mpijob_operator.controller.caches",
        "        for key in self.waiting:\n            self.queue.add(key)\n",
        "        self.waiting.clear()\n",
        ("caches",),
    ),
    Mutant(
        "A list may be of any age.",
        (2,),
        "mpijob_operator.controller.reflector",
        "await self.api.read_all(self._path, self._selector, accept)",
        "await self.api.read_all(\n"
        '            self._path, {**self._selector, "resourceVersion": "0"}, accept\n'
        "        )",
        ("caches",),
    ),
    Mutant(
        "A watch that is too old is tried again.",
        (3,),
        "mpijob_operator.controller.reflector",
        "                if trouble.code in _UNUSABLE:\n"
        "                    self._usable = False\n",
        "",
        ("caches",),
        same="nobody, for after three watches that showed nothing it is listed as well:"
        " a second safeguard, some seconds later",
    ),
)
