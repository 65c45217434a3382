# SPDX-License-Identifier: Apache-2.0
"""The in-memory cluster's server-side apply, held against the code of Kubernetes."""
