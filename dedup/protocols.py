"""The types of what users hand over, for type checkers: articles and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypedDict

RunLevel = Literal["exact", "duplicate", "story"]
KeptLevel = Literal["duplicate", "story"]


class ArrowStream(Protocol):
    """What gives its rows through Arrow's C stream: pyarrow, pandas, polars, DuckDB relations and others.

    The Arrow PyCapsule Interface: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
    """

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return a PyCapsule of a stream of batches."""


class ArrowArray(Protocol):
    """What gives one batch through Arrow's C data interface."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        """Return PyCapsules of a schema and of an array of structs."""


Paths: TypeAlias = "str | Path | Sequence[str | Path] | Sequence[str] | Sequence[Path]"
Articles: TypeAlias = "Paths | Sequence[Mapping[str, Any]] | ArrowStream | ArrowArray"


class Settings(TypedDict, total=False):
    """Single settings of `dedup.cluster`, as `dedup.params.SETTINGS` names them; None keeps the default."""

    text: str | None
    title: str | None
    id: str | None
    date: str | None
    source: str | None
    url: str | None
    lang: str | None
    keep_cols: Sequence[str] | None
    include: Sequence[str] | None
    exclude: Sequence[str] | None
    limit: int | None
    max_doc_chars: int | None
    max_rejects: float | None
    duplicate_threshold: float | None
    containment_threshold: float | None
    story_granularity: float | None
    time_scale: float | None
    canonical: str | None
    level: RunLevel | None
    with_text: bool | None
    jobs: int | None
    memory: str | int | None
    tmp_dir: str | None
    overrides: str | None
