"""What recurs in many documents of a source or of the corpus, as `dedup/recurring.py` finds it, over parts.

A key is the hash of a shingle with that of its source, or with a constant for the corpus. Each part counts its keys and
sends the sums to the part of the key, which answers with those that are frequent. Nearly all shingles are rare, and
most are not sent: what is frequent in the corpus is common enough in one of the parts at least (pigeonhole;
Savasere et al. 1995), and sources of few documents have nothing that is frequent.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import boilerplate, recurring, schema
from dedup.distributed.corpus import Corpus, positions
from dedup.distributed.flow import Dataset, Flow, Message, Tables, counted, deal, part_of_hash, part_of_place, total_of
from dedup.kernels import hashing, tfidf
from dedup.params import BoilerplateParams
from dedup.recurring import Scope

_Int = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]

SOURCE, CORPUS = 0, 1  # the scopes
_UNKNOWN = -1  # code of no source
_NO_KEYS = pa.schema([("key", pa.uint64())]).empty_table()
_NEVER = 1 << 62  # documents from which a shingle is frequent where none can be
_TEXTS = 0.5  # least share of the documents that have texts of their own, if parts are to tell what may be frequent
_TELLING = 2  # documents, fewest: in parts that are too small for it all may be
_MOST_COMMON = 1 << 21  # shingles that all parts together may name


class Recurring(NamedTuple):
    """What was found out about the documents, by part."""

    facts: Dataset  # by document: high, low (digest of its text), code (of its source), first (such a text here)
    repeated: Dataset  # place, in_source, in_corpus, shared (by sources): first ones that other parts or sources have
    evidence: Dataset  # by document: size (its shingles), in_source, in_corpus (whether it counts there)
    entries: Dataset  # scope (0: source, 1: corpus), place (among all shingles of the part), key; once frequent
    frequent: Dataset  # keys that each part holds, sorted


def find(flow: Flow, corpus: Corpus, params: BoilerplateParams) -> Recurring | None:
    """Find the shingles that are frequent in their source, or in the corpus; None where there is none."""
    starts, parts = corpus.starts, flow.parts
    spread = partial(_texts, starts=starts, parts=parts, share=params.corpus_share)
    texts = flow.step("boilerplate-texts", spread, documents=corpus.documents, sketches=corpus.sketches)
    told = flow.step("boilerplate-evidence", partial(_evidence, starts=starts, parts=parts), texts=texts["texts"])
    needed = flow.step(
        "boilerplate-sources", partial(_needed, params=params), sizes=told["sizes"], asked=texts["asked"]
    )["needed"]
    total = total_of(flow, told["total"])
    everywhere = int(recurring.needed(np.array([total]), params.corpus_share, params.least)[0])
    known: dict[str, Dataset] = {"facts": texts["facts"], "repeated": told["repeated"], "needed": needed}
    scopes = partial(_scopes, starts=starts, everywhere=everywhere if everywhere <= total else _NEVER)
    common = None
    if everywhere >= params.corpus_share * len(corpus) * _TEXTS and total_of(flow, texts["many"]) <= _MOST_COMMON:
        common = sorted_keys(pa.concat_tables([_NO_KEYS, *flow.gather(texts["common"]).values()]))
    keys = flow.step(
        "boilerplate-keys", partial(_keys, scopes=scopes, common=common, parts=parts),
        sketches=corpus.sketches, **known,
    )  # fmt: skip
    first = flow.step("boilerplate-counts", _frequent, keys=keys["keys"])
    if not total_of(flow, first["found"]):
        return None
    listed = flow.step(
        "boilerplate-entries", partial(_entries, scopes=scopes, parts=parts, params=params),
        sketches=corpus.sketches, frequent=first["frequent"], **known,
    )  # fmt: skip
    again = flow.step("boilerplate-recount", _recounted, keys=listed["counts"], bounds=first["bounds"])
    return Recurring(texts["facts"], told["repeated"], listed["evidence"], listed["entries"], again["frequent"])


def _texts(part: int, tables: Tables, *, starts: _Int, parts: int, share: float) -> Iterator[Message]:
    """Send digest and source of each text to the part of the digest, once for copies, and name what is common here."""
    codes = _codes(tables["documents"]["source"])
    digest = schema.matrix(tables["sketches"]["digest"])
    first = recurring.first_of_text(codes, digest) == np.arange(len(codes))
    facts = pa.table({"high": digest[:, 0], "low": digest[:, 1], "code": codes, "first": first})
    yield Message("facts", part, facts)
    placed = facts.drop_columns("first").append_column("place", pa.array(positions(part, starts)))
    yield from deal("texts", placed.filter(pa.array(first)), part_of_hash(digest[first, 0], parts))
    known = np.unique(codes[codes != _UNKNOWN])
    asked = pa.table({"code": known, "asker": np.full(len(known), part)})
    yield from deal("asked", asked, part_of_hash(known.view(np.uint64), parts))
    yield from _common(part, tables["sketches"]["shingles"], share * _TEXTS)


def _common(part: int, shingles: pa.ChunkedArray, share: float) -> Iterator[Message]:
    """Name the shingles of at least a share of the documents here: one of that share of all is named by some part."""
    values, least = schema.ragged(shingles)[0], share * len(shingles)
    if least < _TELLING:
        yield counted("many", part, _MOST_COMMON + 1)
        return
    found, counts = np.unique(values, return_counts=True)
    found = found[counts >= np.floor(least)]
    yield Message("common", part, pa.table({"key": recurring.hashes_of(np.zeros(len(found), np.int64), found)}))
    yield counted("many", part, len(found))


def _codes(source: pa.ChunkedArray) -> _Int:
    """Hash each source, int64[n]."""
    names = schema.one_chunk(source).dictionary_encode()
    known = hashing.digest(*schema.utf8(names.dictionary))[:, 0].astype(np.int64)
    codes: _Int = np.append(known, _UNKNOWN)[names.indices.fill_null(-1).to_numpy()]
    return codes


def _evidence(part: int, tables: Tables, *, starts: _Int, parts: int) -> Iterator[Message]:
    """Tell which documents are the first of all with their text, and count those of each source."""
    texts = tables["texts"]  # by rising position
    codes, place = texts["code"].to_numpy(), texts["place"].to_numpy()
    digest = np.column_stack((texts["high"].to_numpy(), texts["low"].to_numpy()))
    rows, text = np.arange(len(codes)), recurring.first_of_text(np.zeros(len(codes), np.int64), digest)
    in_source, in_corpus = recurring.first_of_text(codes, digest) == rows, text == rows
    shared = np.bincount(text[in_source], minlength=len(text))[text] > 1
    told = pa.table({"place": place, "in_source": in_source, "in_corpus": in_corpus, "shared": shared})
    news = ~in_corpus | shared
    yield from deal("repeated", told.filter(pa.array(news)), part_of_place(place[news], starts))
    source, count = np.unique(codes[in_source & (codes != _UNKNOWN)], return_counts=True)
    sizes = pa.table({"code": source, "count": count})
    yield from deal("sizes", sizes, part_of_hash(source.view(np.uint64), parts))
    yield counted("total", part, int(in_corpus.sum()))


def _needed(part: int, tables: Tables, *, params: BoilerplateParams) -> Iterator[Message]:
    """Tell each part from how many documents on a shingle is frequent in its sources, where any can be."""
    if "sizes" not in tables:
        return
    sizes, asked = tables["sizes"], tables["asked"]
    code, _, size = totals(sizes["code"].to_numpy(), sizes["count"].to_numpy())
    needed = recurring.needed(size, params.source_share, params.least)
    at = np.searchsorted(code, asked["code"].to_numpy())
    wanted = (needed <= size)[at]
    found = asked.append_column("needed", pa.array(needed[at])).filter(pa.array(wanted))
    yield from deal("needed", found.select(["code", "needed"]), found["asker"].to_numpy())


def _scopes(part: int, tables: Tables, *, starts: _Int, everywhere: int) -> list[Scope]:
    """Return the scopes of a part's documents, without entries."""
    codes = tables["facts"]["code"].to_numpy()
    firsts = np.tile(tables["facts"]["first"].to_numpy(zero_copy_only=False), (2, 1))
    if (repeated := tables.get("repeated")) is not None:
        rows = repeated["place"].to_numpy() - starts[part]
        firsts[:, rows] = repeated["in_source"].to_numpy(), repeated["in_corpus"].to_numpy()
    wanted = np.full(len(codes), _NEVER)
    if (needed := tables.get("needed")) is not None:
        needed = needed.sort_by("code")
        known = needed["code"].to_numpy()
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        wanted = np.where(known[at] == codes, needed["needed"].to_numpy()[at], _NEVER)
    nothing = np.empty(0, np.int64), *(np.empty(0, np.uint32),) * 2
    return [
        Scope(codes, firsts[0], wanted, *nothing),
        Scope(np.zeros_like(codes), firsts[1], np.full(len(codes), everywhere), *nothing),
    ]


def _hashed(scope: Scope, shingles: pa.ChunkedArray) -> tuple[_Int, _Int, _Hashes]:
    """Return place, document and key of each shingle that may be frequent."""
    values, offsets = schema.ragged(shingles)
    possible = np.repeat(scope.needed < _NEVER, np.diff(offsets))
    places, rows = np.flatnonzero(possible), np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[possible]
    return places, rows, recurring.hashes_of(scope.codes[rows], values[possible])


def _keys(part: int, tables: Tables, *, scopes: Any, common: _Hashes | None, parts: int) -> Iterator[Message]:
    """Count the documents of each key; a copy of one that counts has to hear of its keys, but counts nothing."""
    for number, scope in enumerate(scopes(part, tables)):
        _, rows, hashes = _hashed(scope, tables["sketches"]["shingles"])
        if number == CORPUS and common is not None:
            possible = tfidf.lookup(common, tfidf.index(common), hashes) >= 0
            rows, hashes = rows[possible], hashes[possible]
        key, first, count = totals(hashes, scope.evidence[rows].astype(np.int64))
        asker, needed = np.full(len(key), part, np.int32), scope.needed[rows[first]]
        table = pa.table({"key": key, "count": count.astype(np.int32), "needed": needed, "asker": asker})
        yield from deal("keys", table, part_of_hash(key, parts))


def _frequent(part: int, tables: Tables) -> Iterator[Message]:
    """Find the frequent keys of a bucket, and keep from how many documents on each is."""
    keys = tables["keys"]
    hashes = keys["key"].to_numpy()
    key, first, count = totals(hashes, keys["count"].to_numpy())
    needed = keys["needed"].to_numpy()[first]
    enough = count >= needed
    yield Message("bounds", part, pa.table({"key": key[enough], "needed": needed[enough]}))
    yield counted("found", part, int(enough.sum()))
    yield from _answers(keys, enough[np.searchsorted(key, hashes)])


def _recounted(part: int, tables: Tables) -> Iterator[Message]:
    """Tell which keys are frequent still, by the second count."""
    keys, bounds = tables["keys"], tables["bounds"]
    hashes = keys["key"].to_numpy()
    _, _, count = totals(hashes, keys["count"].to_numpy())  # of all that have bounds
    enough = count >= bounds["needed"].to_numpy()
    yield from _answers(keys, enough[np.searchsorted(bounds["key"].to_numpy(), hashes)])


def _answers(keys: pa.Table, wanted: npt.NDArray[np.bool_]) -> Iterator[Message]:
    """Send the wanted keys, sorted, to those who hold them."""
    found = keys.select(["key", "asker"]).filter(pa.array(wanted)).sort_by("key")
    yield from deal("frequent", found.select(["key"]), found["asker"].to_numpy())


def _entries(part: int, tables: Tables, *, scopes: Any, parts: int, params: BoilerplateParams) -> Iterator[Message]:
    """List the frequent shingles, and count their documents again without those that mostly hold such."""
    sketches = tables["sketches"]
    frequent = sorted_keys(tables.get("frequent"))
    found = []
    for scope in scopes(part, tables):
        places, rows, hashes = _hashed(scope, sketches["shingles"])
        at = tfidf.lookup(frequent, tfidf.index(frequent), hashes)
        kept = at >= 0
        entries = {"entries": places[kept], "rows": rows[kept].astype(np.uint32), "keys": at[kept].astype(np.uint32)}
        found.append(scope._replace(**entries))
    own = boilerplate.telling(found, sketches, params)
    found = [scope._replace(evidence=scope.evidence & own) for scope in found]
    sizes = np.diff(schema.ragged(sketches["shingles"])[1])
    facts = {"size": sizes, "in_source": found[0].evidence, "in_corpus": found[1].evidence}
    yield Message("evidence", part, pa.table(facts))
    telling = np.concatenate([scope.keys[scope.evidence[scope.rows]] for scope in found])
    count = np.bincount(telling, minlength=len(frequent))
    table = pa.table({"key": frequent, "count": count, "asker": np.full(len(frequent), part, np.int32)})
    yield from deal("counts", table, part_of_hash(frequent, parts))
    for number, scope in enumerate(found):
        yield Message("entries", part, entry_rows(number, scope, frequent))


def entry_rows(number: int, scope: Scope, known: _Hashes) -> pa.Table:
    """Return the entries of a scope as rows of `Recurring.entries`: [scope int8, place int64, key uint64]."""
    scopes = np.full(len(scope.entries), number, np.int8)
    return pa.table({"scope": scopes, "place": scope.entries, "key": known[scope.keys]})


def sorted_keys(table: pa.Table | None) -> _Hashes:
    """Return the distinct keys that a part was told, sorted."""
    return np.unique((_NO_KEYS if table is None else table)["key"].to_numpy())


def totals(key: npt.NDArray[Any], count: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], _Int, npt.NDArray[Any]]:
    """Return the distinct keys, sorted, the first row of each, and the sum of its counts."""
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    begin = np.flatnonzero(np.append(np.ones(min(len(key), 1), np.bool_), ranked[1:] != ranked[:-1]))
    return ranked[begin], order[begin], np.add.reduceat(count[order], begin) if len(begin) else count[:0]
