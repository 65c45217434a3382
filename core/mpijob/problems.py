# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a job, as values: a path and a sentence."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One mistake of the user's, where it is, and how to mend it.

    The path is spelled as the API server spells it, from the root of the object:
    `spec.mpiReplicaSpecs.Worker.template.spec.containers[0].name`.
    """

    path: str
    message: str  # What is the case and what must be; reads on from the path.
    hint: str = ""  # How to mend it, where that is not plain from the message.

    def __str__(self) -> str:
        """Return the sentence, path first."""
        return f"{self.path} {self.message}"
