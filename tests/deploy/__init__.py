# SPDX-License-Identifier: Apache-2.0
"""The operator installed in a real API server, in each way that there is."""
