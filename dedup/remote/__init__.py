"""Inputs and outputs that lie behind a URL; nothing here is imported, and no network touched, before one is given.

- `urls` – what a URL says, and what of it may be shown
- `objects` – a remote file that opens and reads like a local one, by ranges, with bounded retries
- `finding` – URLs of files, folders and globs → remote files in their order
- `s3`, `http`, `other` – the stores: S3; http(s); what fsspec opens (gs, az, hf)
- `publishing` – a run written to S3 and read back; `single` – a file written there
"""

from __future__ import annotations

from dedup.remote.objects import RemoteFile
from dedup.remote.urls import is_url, shown_root

__all__ = ["RemoteFile", "is_url", "shown_root"]
