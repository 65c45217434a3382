# SPDX-License-Identifier: Apache-2.0
"""Real MPI programs on the planned children, without containers."""
