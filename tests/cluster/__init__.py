# SPDX-License-Identifier: Apache-2.0
"""The operator in a real cluster, whose nodes alone are played."""
