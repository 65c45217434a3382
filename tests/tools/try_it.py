# SPDX-License-Identifier: Apache-2.0
"""A cluster to play with: a real API server, the operator, and nodes that are played.

`make try` starts it and leaves it running until Ctrl-C. Everything is in one folder,
which each start makes anew; nothing is reachable from another machine.
"""

import argparse
import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Final

from tests.controlplane.harness import ControlPlane, missing, programs
from tests.controlplane.nodes import Nodes
from tests.controlplane.operator import Operator
from tests.controlplane.pod_life import Habits
from tests.controlplane.stage import USER, install

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = "examples/01-pi/mpijob.yaml"
# A launcher in the example prints pi; here it sleeps as long as one would.
LAUNCHER_S: Final = 20.0
START_S: Final = 1.0
# An operator that ends sooner would end again.
BRIEF_S: Final = 3.0

SAID: Final = """
A cluster is up. Its API server, its controllers and the operator are real;
its nodes are played: a pod starts within a second, a launcher ends well
after {launcher:.0f} s, a worker runs until it is deleted.

  export KUBECONFIG={kubeconfig}
{commands}

What the operator does is told in {log}
and counted at http://127.0.0.1:{health}/metrics . Kill its process ({pid}), and it is
started again, as a kubelet would. Ctrl-C ends it all.
"""

KUBECTL: Final = """
  kubectl apply -f {example}
  kubectl get mpijobs,pods --watch
  {mpijob} plan --live -f {example}
"""
# Without kubectl, the same in words of the API.
BARE: Final = """
  python3 -m json.tool $KUBECONFIG     # where it is, and the token
  {mpijob} plan --live -f {example}
  curl -sk -H 'Authorization: Bearer admin-token' \\
    -H 'Content-Type: application/yaml' --data-binary @{example} \\
    https://127.0.0.1:{port}/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs
"""


@contextlib.contextmanager
def cluster(
    folder: Path, launcher_s: float
) -> Generator[tuple[ControlPlane, Operator]]:
    """Start everything, in the order in which each needs the other; stop it after."""
    plane = ControlPlane(programs(), folder, {"admin": "system:masters", USER: ""})
    with contextlib.ExitStack() as ends:
        ends.callback(plane.stop)
        plane.start()
        with contextlib.closing(plane.client()) as client:
            install(client)
        plane.start_controllers()
        nodes = Nodes(plane.kubeconfig())
        nodes.start()
        ends.callback(nodes.stop)
        nodes.script("*", Habits(start_s=START_S))
        nodes.script("*-launcher-*", Habits(start_s=START_S, run_s=launcher_s))
        operator = Operator(
            plane.kubeconfig(USER),
            folder,
            {"leader-elect": "false", "log-format": "text"},
        )
        ends.callback(operator.end)
        operator.start()
        yield plane, operator


def told(plane: ControlPlane, operator: Operator, launcher_s: float) -> str:
    """Say what there is, and three things to type."""
    commands = KUBECTL if shutil.which("kubectl") else BARE
    words = commands.format(
        example=EXAMPLE,
        mpijob=Path(sys.executable).with_name("mpijob").relative_to(ROOT),
        port=plane.port,
    )
    return SAID.format(
        launcher=launcher_s,
        kubeconfig=plane.kubeconfig(),
        commands=words.rstrip("\n"),
        log=operator.log,
        health=operator.health,
        pid=operator.process.pid,
    )


def keep_up(operator: Operator) -> int:
    """Start the operator again when it ends; return its code if it does not get far."""
    while True:
        since = time.monotonic()
        code = operator.process.wait()
        if time.monotonic() - since < BRIEF_S:
            return code
        operator.start(ready=False)
        again = f"it is started again as process {operator.process.pid}"
        print(f"the operator ended with {code}; {again}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def main() -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(prog="make try", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/try")
    parser.add_argument("--launcher-seconds", type=float, default=LAUNCHER_S)
    words = parser.parse_args()
    if absent := missing(
        programs(), "etcd", "kube-apiserver", "kube-controller-manager"
    ):
        print(f"error: no {' and no '.join(absent)} here", file=sys.stderr)
        print("hint: make controlplane", file=sys.stderr)
        return 1
    shutil.rmtree(words.folder, ignore_errors=True)
    words.folder.mkdir(parents=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        print("starting a cluster: some ten seconds", flush=True)
        with cluster(words.folder, words.launcher_seconds) as (plane, operator):
            print(told(plane, operator, words.launcher_seconds), flush=True)
            code = keep_up(operator)
            print(f"error: the operator ended with {code}: see {operator.log}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
