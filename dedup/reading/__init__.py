"""Files and data in memory → batches of DOCUMENTS.

The files, in the order of the work:

- `opening` – what the user hands over (paths, a frame, a list) → a Source
- `finding` – arguments (files, folders, globs, lists of files, standard input) → files in their order
- `files`, `stdin` – a file → its bytes, its lines, its hash; `files.opened` is the one place that knows where files lie
- `packed`, `encodings` – packed bytes → plain ones; bytes → text
- `formats` – which format a file has, by content and ending
- `reader` – files → chunks, each by the module of its format
- `partitions` – columns that stand in a path
- `columns` – which input column plays which role
- `jsonl`, `arrays`, `delimited`, `plain`, `html` – JSON Lines, JSON, CSV and TSV, texts and web pages → records
- `rows` – records → chunks of columns; unfit ones are refused
- `parquet` – Parquet files and data frames → chunks of columns
- `dates` – dates as publishers write them → microseconds
- `documents` – chunks → columns of DOCUMENTS, by rules that hold for every format
- `source` – the Source: batches, unique ids, refusals, counts
- `raw` – chosen records once more, with all their columns, for `dedup filter`
"""

from __future__ import annotations

from dedup.reading.documents import Reject
from dedup.reading.files import FoundFile, printable, stamp
from dedup.reading.finding import find, listed
from dedup.reading.opening import MEMORY, open_frame, open_paths, open_source
from dedup.reading.raw import is_version, place_of, raw_records
from dedup.reading.source import InputFile, Source, check_rejects

__all__ = [
    "MEMORY",
    "FoundFile",
    "InputFile",
    "Reject",
    "Source",
    "check_rejects",
    "find",
    "is_version",
    "listed",
    "open_frame",
    "open_paths",
    "open_source",
    "place_of",
    "printable",
    "raw_records",
    "stamp",
]
