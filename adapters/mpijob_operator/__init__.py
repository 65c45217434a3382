# SPDX-License-Identifier: Apache-2.0
"""The shell around `mpijob`: Kubernetes on one side, a terminal on the other.

No module in here may hold a rule about MPIJobs; those are the core's.
"""
