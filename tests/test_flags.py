# SPDX-License-Identifier: Apache-2.0
"""Flags of `mpijob run`: upstream's names, the environment, and what is refused."""

import argparse
from collections.abc import Mapping
from datetime import timedelta

import pytest

from mpijob_operator.controller.flags import (
    FLAGS,
    WITHOUT_EFFECT,
    Flags,
    Misread,
    add_arguments,
    flags,
    variable,
)


def read(*words: str, **environment: str) -> Flags:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return flags(parser.parse_args(words), environment)


def test_without_a_word_everything_has_its_default() -> None:
    assert read() == Flags()
    assert read().namespaces == ("",)


def test_a_deployment_of_mpi_operator_starts_ours() -> None:
    asked = read(
        "-alsologtostderr",
        "--lock-namespace=mpi-operator",
        "--kubeConfig=/k",
        "--threadiness=2",
        "--kube-api-qps=5",
        "--kube-api-burst=10",
        "--gang-scheduling=volcano",
        "--cluster-domain=cluster.local",
        "--monitoring-port=8080",
        "--controller-queue-rate-limit=10",
        "-v=4",
        KUBEFLOW_NAMESPACE="hpc",
    )
    assert asked.namespace == ("hpc",)
    assert asked.kubeconfig == "/k"
    assert (asked.threadiness, asked.monitoring_port) == (2, 8080)
    assert (asked.kube_api_qps, asked.kube_api_burst) == (5.0, 10)
    settings = asked.settings(workload_api="v1beta1", observed_generation=False)
    assert (settings.gang_scheduler, settings.cluster_domain) == (
        "volcano",
        "cluster.local",
    )
    assert settings.refused_timeout == timedelta(minutes=10)
    assert "-v" in asked.ignored


def test_each_flag_is_also_a_variable() -> None:
    asked = read(
        MPIJOB_NAMESPACE="a,b a",
        MPIJOB_LEADER_ELECT="false",
        MPIJOB_TTL="children",
        MPIJOB_LOG_LEVEL="DEBUG",
    )
    assert asked.namespace == ("a", "b")
    assert not asked.leader_elect
    assert asked.log_level == "debug"
    assert asked.settings(workload_api="", observed_generation=True).ttl_keeps_job


def test_a_flag_wins_over_its_variable() -> None:
    assert read("--threadiness=3", MPIJOB_THREADINESS="4").threadiness == 3


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (["--namespace=Bad_Name"], {}, "--namespace: 'Bad_Name'"),
        (["--threadiness=0"], {}, "--threadiness: '0' is no number from 1 to 1000"),
        (["--leader-elect=maybe"], {}, "neither true nor false"),
        (["--ttl=never"], {}, "none of job, children"),
        (["--health-port=70000"], {}, "no number from 0 to 65535"),
        (["--record=/no/such/folder"], {}, "is no folder"),
        ([], {"MPIJOB_KUBE_API_QPS": "fast"}, "MPIJOB_KUBE_API_QPS: 'fast'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(
    words: list[str], environment: Mapping[str, str], told: str
) -> None:
    with pytest.raises(Misread) as refused:
        read(*words, **environment)
    assert told in str(refused.value)


@pytest.mark.parametrize("flag", WITHOUT_EFFECT)
def test_a_flag_without_effect_is_taken(flag: str) -> None:
    assert read(flag).ignored == (flag,)


@pytest.mark.parametrize("field", FLAGS)
def test_the_default_of_each_flag_is_told_or_nothing(field: str) -> None:
    assert hasattr(Flags(), field)
    assert variable(field).startswith("MPIJOB_")
