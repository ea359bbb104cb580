"""The texts of a few articles of a run: from the run itself, or from its input, read once more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup import reading
from dedup.errors import InputError
from dedup.remote import RemoteFile
from dedup.run import Result


def texts_of(result: Result, ids: list[str]) -> tuple[dict[str, str], str | None]:
    """Return the texts of articles, as far as they can be had.

    Parameters
    ----------
    result : with a column `text`, or with inputs that are still as they were.
    ids : `doc_id` of the articles.

    Returns
    -------
    Texts by id, and why some are missing (None where none is).
    """
    wanted = result.documents.filter(pc.is_in(result.documents["doc_id"], pa.array(ids, pa.string())))
    if "text" in wanted.column_names:
        found = zip(wanted["doc_id"].to_pylist(), wanted["text"].to_pylist(), strict=True)
        return {doc_id: text or "" for doc_id, text in found}, None
    texts: dict[str, str] = {}
    missing = None
    for file in result.manifest["inputs"]:
        here = wanted.filter(pc.equal(wanted["source_file"], file["source_file"])).sort_by("source_row")
        if not here.num_rows:
            continue
        try:
            texts |= _read(file, here)
        except InputError as error:
            missing = missing or str(error)
    return texts, missing


def _read(file: dict[str, Any], documents: pa.Table) -> dict[str, str]:
    column = file["columns"].get("text")
    if not file["path"]:
        raise InputError(f"{file['source_file']}: the run was made from data in memory or from a pipe")
    path = reading.place_of(file["path"])
    if not isinstance(path, RemoteFile) and not path.is_file():
        raise InputError(f"{path}: is not there")
    try:
        same = reading.is_version(path, file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not same:
        raise InputError(f"{path}: has changed since the run")
    if column is None:
        return {}
    records = reading.raw_records(file["path"], file["format"], documents["source_row"].to_numpy().astype(np.int64))
    if column not in records.column_names:
        return {}
    values = records[column].to_pylist()
    return {
        doc_id: value
        for doc_id, value in zip(documents["doc_id"].to_pylist(), values, strict=True)
        if isinstance(value, str)
    }
