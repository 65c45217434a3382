# SPDX-License-Identifier: Apache-2.0
"""The controller: one process that keeps a cluster's MPIJobs as the core decides."""
