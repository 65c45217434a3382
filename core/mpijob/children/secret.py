# SPDX-License-Identifier: Apache-2.0
"""The Secret with the SSH key pair, and the slot where the pair goes (B8.5)."""

from typing import Final

from mpijob import names
from mpijob.job import MPIJob
from mpijob.loose import Manifest

# Whoever creates the Secret puts the key pair under these keys of `data`. The core has
# no chance to make one from, and a plan must never show one.
KEY_SLOTS: Final = (names.SSH_PRIVATE_KEY, names.SSH_PUBLIC_KEY)


def secret(job: MPIJob) -> Manifest:
    """Return the Secret without its data; immutable, unlike mpi-operator's (B2)."""
    return {
        **names.head(job, "v1", "Secret", names.secret(job)),
        "type": "kubernetes.io/ssh-auth",
        "immutable": True,
    }
