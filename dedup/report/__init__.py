"""One HTML page about a run, which needs nothing but itself.

The files, in the order of the work:

- `figures` – a run → its numbers: totals, relations, histograms of scores, sizes, dates
- `sources` – who prints what others printed
- `stories` – which stories are shown, and what of them
- `texts`, `differences` – what near copies changed, where the texts can be had
- `charts` – the charts as Vega-Lite
- `page` – all of it → one file
"""

from __future__ import annotations

from dedup.report.page import write_report

__all__ = ["write_report"]
