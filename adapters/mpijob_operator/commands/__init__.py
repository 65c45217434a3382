# SPDX-License-Identifier: Apache-2.0
"""One module a command: what it takes, and what it does. `cli` has the table of them.

Each has `add_arguments(parser)` and `run(arguments, streams)`, which returns the exit
code. A command imports what it needs; none imports another.
"""
