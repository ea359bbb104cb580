"""Which article stands for its group and its story, by the rules of a policy (`dedup/policy.py`).

The content key comes last, then the id, so the order is total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import DedupError, SettingsError
from dedup.policy import Rule

_READS = {
    "earliest": ("published_at", "date_suspect"),
    "latest": ("published_at", "date_suspect"),
    "complete": ("title", "published_at", "date_suspect", "source", "url"),
    "longest": ("text_chars",),
}
_TIE_BREAKERS = {"content_key": "content key", "doc_id": "doc id"}
_NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"


def choose(
    documents: pa.Table,
    cluster: npt.NDArray[np.int64],
    policy: Sequence[Rule],
    *,
    rows: npt.NDArray[np.int64] | None = None,
    central: npt.NDArray[np.float64] | None = None,
    contained: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.object_]]:
    """Choose one article per cluster, and name the rule that decided.

    The result does not depend on the order of the rows. Every rule becomes one array of ranks (smaller is better);
    one sort by cluster and ranks puts each winner before its runner-up. O(n log n) over the rows that share a cluster.

    Parameters
    ----------
    documents : the columns of `schema.DOCUMENTS` that the policy reads, `doc_id`, `content_key` (uint64: hash of
        comparable text, title and date) and kept input columns.
    cluster : int64[n], labels 0..k-1, each of them in use.
    policy : from `policy.parse_policy`.
    rows : int64[n], ascending; the rows of `documents` that are labelled. None: all.
    central : float64[n], mean similarity to the other members; None or NaN: not known.
    contained : bool[n], whether another text of the cluster contains this one; None: not known.

    Returns
    -------
    chosen : int64[k], positions among the labelled ones.
    reason : object[k] of str: `only` in a cluster of one, else the first rule on which the winner and its runner-up
        differ, `content key`, or `doc id` where even the content is the same.

    Raises
    ------
    SettingsError
        A rule names a column that is not there or that has no order.
    """
    table = documents.select(columns(documents, policy))
    sizes = _sizes(documents.num_rows if rows is None else len(rows), cluster, central, contained)
    single = sizes[cluster] == 1
    chosen = np.empty(len(sizes), np.int64)
    reason = np.full(len(sizes), "only", np.object_)
    chosen[cluster[single]] = np.flatnonzero(single)

    several = np.flatnonzero(~single)
    label = cluster[several]
    wanted = np.zeros(documents.num_rows, np.bool_)
    wanted[several if rows is None else rows[several]] = True
    table = table.filter(pa.array(wanted))
    given = {
        "central": None if central is None else central[several],
        "contained": None if contained is None else contained[several],
    }
    keys = _keys(table, policy, given)
    order = np.lexsort((*reversed(keys), label))
    first = np.flatnonzero(np.diff(label[order], prepend=-1))
    best, second = order[first], order[first + 1]
    chosen[label[best]] = several[best]
    reason[label[best]] = _deciding([*(rule.name for rule in policy), *_TIE_BREAKERS.values()], keys, best, second)
    return chosen, reason


def leading(documents: pa.Table, cluster: npt.NDArray[np.int64], policy: Sequence[Rule]) -> npt.NDArray[np.int64]:
    """Find the best two of each cluster, which alone can decide when its other documents are elsewhere.

    Parameters
    ----------
    documents, policy : as of `choose`
    cluster : int64[n]; `central` and `contained` are the same inside each

    Returns
    -------
    int64[m], ascending positions
    """
    keys = _keys(documents, policy, {"central": None, "contained": None})
    order = np.lexsort((*reversed(keys), cluster))
    ranked = cluster[order]
    third = np.zeros(len(order), np.bool_)
    third[2:] = ranked[2:] == ranked[:-2]
    return np.sort(order[~third])


def columns(documents: pa.Table, policy: Sequence[Rule]) -> list[str]:
    """List the columns that the policy and the tie breakers read.

    Raises
    ------
    SettingsError
        One of them is not there.
    """
    found = documents.column_names
    needed = dict.fromkeys(_TIE_BREAKERS)
    for rule in policy:
        for column in (*_READS.get(rule.word, ()), *([rule.column] if rule.column else [])):
            if column not in found:
                raise SettingsError(
                    f"canonical policy word '{rule.name}': no column {column!r}; found "
                    f"{', '.join(map(repr, found))}; keep an input column with --keep-cols {column}"
                )
            needed[column] = None
    return list(needed)


def _sizes(n: int, cluster: npt.NDArray[np.int64], *given: npt.NDArray[Any] | None) -> npt.NDArray[np.int64]:
    """Count the rows of every cluster, once the arrays are seen to fit together."""
    if any(array is not None and array.shape != (n,) for array in (cluster, *given)) or cluster.min(initial=0) < 0:
        raise DedupError(f"choose: wanted {n} labels from 0 and as many values, one for each document")
    sizes = np.bincount(cluster)
    if not sizes.all():
        raise DedupError(f"choose: no document has label {np.argmin(sizes)}; wanted labels 0..k-1, each in use")
    return sizes


def _keys(table: pa.Table, policy: Sequence[Rule], given: dict[str, npt.NDArray[Any] | None]) -> list[npt.NDArray[Any]]:
    """Rank the rows by each rule and by the tie breakers."""
    keys = [_key(rule, table, given) for rule in policy]
    return [*keys, table["content_key"].to_numpy(), _rank(table["doc_id"])]


def _key(rule: Rule, table: pa.Table, given: dict[str, npt.NDArray[Any] | None]) -> npt.NDArray[Any]:
    """Rank the rows by one rule: an array [n] without NaN in which smaller is better."""
    if rule.column:
        return _column_key(rule, table[rule.column])
    key: npt.NDArray[Any] = np.zeros(table.num_rows, np.int8)
    if rule.word in ("earliest", "latest"):
        key = _rank(_date(table), descending=rule.word == "latest")
    elif rule.word == "complete":
        for known in (_date(table).is_valid(), *(_filled(table[name]) for name in ("title", "source", "url"))):
            key -= known.to_numpy()
    elif rule.word == "longest":
        key = _rank(table["text_chars"], descending=True)
    elif rule.word == "central" and given["central"] is not None:
        # Nine decimals, so that the order in which a mean was summed does not choose the article.
        key = -np.round(given["central"], 9)
        key[np.isnan(key)] = np.inf
    elif rule.word == "container" and given["contained"] is not None:
        key = given["contained"]
    return key


def _column_key(rule: Rule, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Rank the rows by a rule on a column that the user named."""
    key: npt.NDArray[Any]
    try:
        if rule.word == "prefer":
            wanted = pc.utf8_lower(pa.array(rule.values, pa.large_string()))
            place = pc.index_in(pc.utf8_lower(column.cast(pa.large_string())), value_set=wanted)
            key = place.fill_null(len(rule.values)).to_numpy()
        elif rule.word == "match":
            found = pc.match_substring_regex(column.cast(pa.large_string()), rule.pattern)
            key = ~found.fill_null(False).to_numpy()
        else:
            key = _rank_values(column, descending=rule.word == "max")
    except pa.ArrowException as error:
        raise SettingsError(
            f"canonical policy word '{rule.name}': got a column of {column.type}, "
            "wanted text, numbers, dates or times; choose another column"
        ) from error
    return key


def _rank_values(column: pa.ChunkedArray, descending: bool) -> npt.NDArray[np.uint64]:
    """Rank values of any type; null, NaN and blank text come last in both directions."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    column = column.cast(kind)
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    if kind not in (pa.string(), pa.large_string(), pa.null()):
        return _rank(column, descending)
    text = column.cast(pa.large_string())
    text = pc.if_else(_filled(text), text, None)
    numbers = pc.if_else(pc.match_substring_regex(text, _NUMBER), text, None).cast(pa.float64())
    return _rank(numbers, descending) * np.uint64(len(text) + 1) + _rank(text, descending)


def _date(table: pa.Table) -> pa.ChunkedArray:
    """Take the dates that can be trusted; null for the others."""
    return pc.if_else(table["date_suspect"].fill_null(False), None, table["published_at"])


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell which strings are neither null nor blank."""
    return pc.not_equal(pc.utf8_trim_whitespace(column), "").fill_null(False)


def _rank(column: pa.ChunkedArray, descending: bool = False) -> npt.NDArray[np.uint64]:
    """Rank values densely; equal values share a rank and nulls come last in both directions (Arrow's default)."""
    order = "descending" if descending else "ascending"
    ranks: npt.NDArray[np.uint64] = pc.rank(column, sort_keys=order, tiebreaker="dense").to_numpy()
    return ranks


def _deciding(
    names: list[str], keys: list[npt.NDArray[Any]], best: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.object_]:
    """Name the first key on which winners and runners-up differ; the last one where none does."""
    code = np.full(len(best), len(keys) - 1)
    for place in reversed(range(len(keys) - 1)):
        code[keys[place][best] != keys[place][second]] = place
    reasons: npt.NDArray[np.object_] = np.array(names, np.object_)[code]
    return reasons
