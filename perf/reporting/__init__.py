# SPDX-License-Identifier: Apache-2.0
"""What perf/report is made of: results are read, judged, and written as a page, as charts and as README.md's table."""
