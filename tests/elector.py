# SPDX-License-Identifier: Apache-2.0
"""A process that stands for election and says when it leads.

    python -m tests.elector KUBECONFIG IDENTITY NAMESPACE

It writes a line at each look at its own reign, which are many a second: the time by a
clock that all processes of a machine share, and 1 or 0. SIGTERM has it give the lease
back, a lost lease ends it as well.
"""

import asyncio
import signal
import sys
from typing import Final

from mpijob_operator.controller.api import opened
from mpijob_operator.controller.connection import connect
from mpijob_operator.controller.election import Election, clock

LOOK_S: Final = 0.02


async def stand(kubeconfig: str, identity: str, namespace: str) -> None:
    api = await opened(await connect(kubeconfig))
    election = Election(api.send, identity=identity, namespace=namespace)
    standing = asyncio.create_task(election.run())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not (standing.done() or stop.is_set()):
        sys.stdout.write(f"{clock():.3f} {int(election.leads())}\n")
        sys.stdout.flush()
        await asyncio.sleep(LOOK_S)
    standing.cancel()
    await asyncio.gather(standing, return_exceptions=True)
    await election.release()
    await api.aclose()


if __name__ == "__main__":
    asyncio.run(stand(*sys.argv[1:]))
