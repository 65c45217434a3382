# SPDX-License-Identifier: Apache-2.0
"""A real API server for the tests: how it is built, started and asked."""
