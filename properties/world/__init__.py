# SPDX-License-Identifier: Apache-2.0
"""A cluster and its operator as one value, and every way in which it may go on.

Start with `state`. `moves` says what may happen next; `operator` drives the shipped
core, executor and memory, one request a step; `checks` judges by what is true in the
cluster, never by what the operator saw; `search` goes everywhere.
"""
