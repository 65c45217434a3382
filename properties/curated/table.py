# SPDX-License-Identifier: Apache-2.0
"""Every curated mutant, by what it breaks."""

from collections.abc import Mapping
from typing import Final

from properties.curated.caches import CACHES
from properties.curated.children import CHILDREN
from properties.curated.manifests import MANIFESTS
from properties.curated.model import MODEL
from properties.curated.mutant import Mutant
from properties.curated.plans import PLANS
from properties.curated.sending import SENDING
from properties.curated.stages import STAGES
from properties.curated.statuses import STATUSES

TABLE: Final[Mapping[str, tuple[Mutant, ...]]] = {
    "The core: where a job stands": STAGES,
    "The core: what its status says": STATUSES,
    "The core: whose what is, what is made and what goes": CHILDREN,
    "The core: failed workers, and the order of deeds": PLANS,
    "The core: what is read and what is written": MANIFESTS,
    "The shell: what is sent": SENDING,
    "The shell: what is remembered and shown": CACHES,
    "The model: what the cluster does": MODEL,
}
ALL: Final[tuple[Mutant, ...]] = tuple(m for some in TABLE.values() for m in some)
