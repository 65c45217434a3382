# SPDX-License-Identifier: Apache-2.0
"""What the tests of this project's manners are made of."""
