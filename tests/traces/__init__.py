# SPDX-License-Identifier: Apache-2.0
"""The Job controller and the garbage collector in memory, held against the real."""
