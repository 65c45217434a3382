# SPDX-License-Identifier: Apache-2.0
"""One cluster in which every moment is lived again, whichever it is."""

from typing import Final

from attrs import evolve

from mpijob.names import Ref
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.life import START
from properties.world.canonical import Values
from properties.world.state import JOB, State, moved
from properties.world.truth import generation_of


class Sandbox:
    """A cluster that is put where a state is, changed, and read off."""

    def __init__(self, values: Values) -> None:
        self.values, self.cluster = values, Cluster(START)

    def moved(self, state: State) -> State:
        """Return a state whose world is what the cluster holds."""
        self.cluster.events = ()
        return moved(state, self.cluster.snapshot(), self.values.looks_same)

    def restore(self, state: State, ref: Ref | None = None, owner: str = "") -> State:
        """Put the cluster where a state is; what is made next has a name of its own.

        The uid tells which object it is, how often it was made before, and for which
        MPIJob of the name, so that the order in which things are made does not matter.
        """
        self.cluster.restore(state.world)
        if ref is None:
            return state
        times = state.made.get(ref, 0)
        if ref == JOB:
            serial = times << 12
        else:
            place = _PLACES.setdefault(ref, len(_PLACES) + 1)
            serial = (generation_of(owner) << 12) + (place << 6) + times
        self.cluster.serial = serial
        return evolve(state, made={**state.made, ref: times + 1})


_PLACES: Final[dict[Ref, int]] = {}
