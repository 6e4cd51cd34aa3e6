# SPDX-License-Identifier: Apache-2.0
"""What perf/run and its neighbours are made of; perf/README.md says how one measures with them."""
