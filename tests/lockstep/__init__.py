# SPDX-License-Identifier: Apache-2.0
"""Programs of requests, done by the API server in memory and by a real one."""
