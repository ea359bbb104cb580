"""Files and data in memory → batches of DOCUMENTS: find files, tell formats, map columns, refuse bad records."""

from __future__ import annotations

from dedup.reading.opening import open_frame, open_paths, open_source
from dedup.reading.raw import raw_records
from dedup.reading.records import InputFile, Reject
from dedup.reading.source import Source, check_rejects

__all__ = ["InputFile", "Reject", "Source", "check_rejects", "open_frame", "open_paths", "open_source", "raw_records"]
