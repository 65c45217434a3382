# SPDX-License-Identifier: Apache-2.0
"""`python -m mpijob_operator` is `mpijob`."""

import sys

from mpijob_operator.cli import main

if __name__ == "__main__":
    sys.exit(main())
