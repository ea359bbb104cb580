"""Which input column plays which role: a fixed table, flags that win over it, and the columns kept beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from dedup.errors import InputError
from dedup.params import ReadingParams
from dedup.schema import DOCUMENTS, TIMESTAMP

NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "content", "body", "article", "maintext", "articleBody", "full_text"),
    "title": ("title", "headline", "name"),
    "id": ("id", "doc_id", "guid", "_id", "uuid", "url"),
    "date": ("published_at", "published", "pubDate", "datePublished", "date", "timestamp", "created_at"),
    "source": ("source", "publisher", "site", "outlet", "hostname", "domain"),
    "url": ("url", "link", "permalink"),
    "lang": ("lang", "language"),
}

_OUTPUT = (
    "story_id duplicate_id is_canonical is_representative canonical_doc_id representative_doc_id relation story_size "
    "duplicate_size similarity jaccard containment cosine canonical_reason excerpt"
)
RESERVED = frozenset(_OUTPUT.split()) | frozenset(DOCUMENTS.names)
_MOST_SHOWN = 20


_OF_PATH = ("date", "source", "lang")  # what folders sort by; all else in a path needs a flag


def choose(names: Sequence[str], params: ReadingParams, place: str, path_names: Sequence[str] = ()) -> dict[str, str]:
    """Return role → column, from the flags and then the table: exact names first, then without regard to case.

    Parameters
    ----------
    names : columns of one file.
    params : its `*_col` settings.
    place : the file, for messages.
    path_names : columns that stand in its path; its own come first.

    Raises
    ------
    InputError
        If a flag names a column that is not there, or there is neither a text nor a title.
    """
    every = [*names, *path_names]
    for role in NAMES:
        flag = getattr(params, f"{role}_col")
        if flag is not None and flag not in every:
            raise InputError(f"{place}: no column {flag!r}; found {shown(every)}; name another with --{role}-col")
    chosen = {**of_path(path_names, params), **_by_name(names, NAMES, params)}
    if "text" not in chosen and "title" not in chosen:
        raise InputError(f"{place}: no column 'text'; found {shown(names)}; name it with --text-col")
    return chosen


def of_path(names: Sequence[str], params: ReadingParams) -> dict[str, str]:
    """Return role → column among those of a path: where a flag says so, and by the table for what folders sort by."""
    return _by_name(names, _OF_PATH, params)


def _by_name(names: Sequence[str], by_table: Iterable[str], params: ReadingParams) -> dict[str, str]:
    present = set(names)
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)
    chosen: dict[str, str] = {}
    for role, candidates in NAMES.items():
        flag = getattr(params, f"{role}_col")
        if flag is not None:
            if flag in present:
                chosen[role] = flag
        elif role in by_table:
            exact = (name for name in candidates if name in present)
            loose = (lowered[name.lower()] for name in candidates if name.lower() in lowered)
            found = next(exact, None) or next(loose, None)
            if found is not None:
                chosen[role] = found
    return chosen


def shown(names: Sequence[str]) -> str:
    """Return column names in quotes, the first ones where there are many."""
    listed = ", ".join(repr(name) for name in names[:_MOST_SHOWN])
    if len(names) > _MOST_SHOWN:
        listed += f" and {len(names) - _MOST_SHOWN:,} more"
    return listed or "no columns"


def kept_type(type: pa.DataType) -> pa.DataType:
    """Return the type in which a kept column is written: one of the few that every reader takes."""
    if pa.types.is_dictionary(type):
        return kept_type(type.value_type)
    if pa.types.is_boolean(type):
        return pa.bool_()
    if pa.types.is_integer(type) and type != pa.uint64():
        return pa.int64()
    if pa.types.is_floating(type):
        return pa.float64()
    if pa.types.is_timestamp(type) or pa.types.is_date(type):
        return TIMESTAMP
    return pa.string()


def kept_fields(names: Iterable[str], found: Sequence[dict[str, pa.DataType]]) -> dict[str, pa.Field]:
    """Return kept input column → field of the output, with `in_` before a name that is taken.

    Parameters
    ----------
    names : what the user asked for.
    found : name → type of the columns of each input; a column whose types differ becomes a string.

    Raises
    ------
    InputError
        If inputs have columns and none has the one asked for.
    """
    fields: dict[str, pa.Field] = {}
    taken = set(RESERVED)
    for name in dict.fromkeys(names):
        types = [kept_type(columns[name]) for columns in found if name in columns]
        if not types and found:
            present = list(dict.fromkeys(column for columns in found for column in columns))
            problem = f"no input has a column {name!r}; found {shown(present)}"
            raise InputError(f"--keep-cols or --canonical: {problem}; name one of these")
        out = name
        while out in taken:
            out = f"in_{out}"
        taken.add(out)
        fields[name] = pa.field(out, types[0] if len(set(types)) == 1 else pa.string())
    return fields
