# SPDX-License-Identifier: Apache-2.0
"""What it costs, as ratios; RESULTS.md has the figures."""
