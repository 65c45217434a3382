# SPDX-License-Identifier: Apache-2.0
"""Bugs that an operator of this kind may well have, put in one at a time.

Each is data: an exact text in one module, and what stands there instead. The laws and
the checks of `properties/` must notice each of them; `docs/mutants.md` says which do.

Rule: nothing in here imports what it breaks, but for what runs in a mutant's process.
"""
