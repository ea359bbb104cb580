"""What a person sees: progress on stderr, a summary and tables on stdout.

- `safe` – text of strangers made safe for a terminal
- `screen` – the console; lines and tables on it
- `waiting` – how far a run is
- `overview` – what a run read and found
- `stories` – its largest stories
- `tree` – one story with its groups and articles
- `scoring` – the scores of a run
"""

from __future__ import annotations

from dedup.terminal.overview import columns_read, stages, summary
from dedup.terminal.safe import clean, clean_json
from dedup.terminal.scoring import scores
from dedup.terminal.screen import console, note, table
from dedup.terminal.stories import largest
from dedup.terminal.tree import story
from dedup.terminal.waiting import Report, progress

__all__ = [
    "Report",
    "clean",
    "clean_json",
    "columns_read",
    "console",
    "largest",
    "note",
    "progress",
    "scores",
    "stages",
    "story",
    "summary",
    "table",
]
