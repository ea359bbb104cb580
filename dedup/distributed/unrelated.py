"""Of what recurs, the passages whose documents have nothing else in common, as `dedup/boilerplate.py` finds them.

The shingles of a footer stand in the same documents: such sets are known by a hash that is the sum of those of their
members, so that each part sends its share of it, and the first members alone. A set is measured once, in one part.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import boilerplate, recurring, schema, stripping, weighing
from dedup.boilerplate import FREQUENCY_SAMPLE, MOST_LEARNT
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import (
    Dataset,
    Flow,
    Message,
    Tables,
    ask,
    at,
    counted,
    deal,
    part_of_hash,
    part_of_place,
    reply,
    total_of,
)
from dedup.distributed.recurring import CORPUS, SOURCE, Recurring, entry_rows, sorted_keys, totals
from dedup.kernels import hashing, tfidf
from dedup.params import BoilerplateParams
from dedup.recurring import Scope
from dedup.stripping import Read, steps
from dedup.weighing import Background

_Int = npt.NDArray[np.int64]
_Bool = npt.NDArray[np.bool_]

_SCOPES = (SOURCE, CORPUS)
_MEASURED = 4096  # sets at a time
_PICKED = pa.schema([("scope", pa.int8()), ("place", pa.int64())])


def find(flow: Flow, corpus: Corpus, found: Recurring, params: BoilerplateParams) -> tuple[Dataset, Dataset] | None:
    """Find the passages that say nothing.

    Returns
    -------
    The entries in passages, as `Recurring.entries`, and by part the keys of those that say nothing; None: none does.
    """
    starts, parts = corpus.starts, flow.parts
    runs = flow.step(
        "boilerplate-runs", partial(_runs, starts=starts, parts=parts, params=params),
        traces=corpus.traces, evidence=found.evidence, entries=found.entries, frequent=found.frequent,
    )  # fmt: skip
    sets = flow.step("boilerplate-sets", partial(_sets, starts=starts, params=params), members=runs["members"])
    asking = flow.step(
        "boilerplate-ask", partial(_ask, starts=starts, sample=params.sample), sets=sets["sets"], picked=sets["picked"]
    )
    quotas = _quotas(flow, asking["counts"], starts)
    if not quotas.any():
        return None
    bare = flow.step(
        "boilerplate-bare", partial(_bare, starts=starts, parts=parts, quotas=quotas, params=params),
        sketches=corpus.sketches, terms=corpus.terms, traces=corpus.traces,
        flagged=runs["flagged"], picked=sets["picked"], asked=asking["asked"],
    )  # fmt: skip
    summed = flow.step("boilerplate-terms", _summed, counted=bare["counted"])
    models = [_model(flow, summed[f"scope{scope}"], int(quotas[scope].sum())) for scope in _SCOPES]
    measured = flow.step(
        "boilerplate-measure", partial(_measure, n=len(corpus), models=models, params=params),
        sets=asking["sets"], askers=asking["askers"], answers=bare["answer"],
    )  # fmt: skip
    if not total_of(flow, measured["found"]):
        return None
    told = flow.step("boilerplate-told", _told, keys=sets["keys"], told=measured["told"])
    return runs["passages"], told["told"]


def _runs(part: int, tables: Tables, *, starts: _Int, parts: int, params: BoilerplateParams) -> Iterator[Message]:
    """Find the passages, and send the members of each key's set as far as they are here."""
    if "entries" not in tables or "frequent" not in tables:
        return
    evidence, entries, known = tables["evidence"], tables["entries"], sorted_keys(tables["frequent"])
    keys = tfidf.lookup(known, tfidf.index(known), entries["key"].to_numpy())
    frequent = keys >= 0
    offsets = np.concatenate(([0], np.cumsum(evidence["size"].to_numpy())))
    scopes = []
    for number, name in zip(_SCOPES, ("in_source", "in_corpus"), strict=True):
        mine = frequent & (entries["scope"].to_numpy() == number)
        places, telling = entries["place"].to_numpy()[mine], evidence[name].to_numpy(zero_copy_only=False)
        rows, nothing = (np.searchsorted(offsets, places, side="right") - 1).astype(np.uint32), np.empty(0, np.int64)
        scopes.append(Scope(nothing, telling, nothing, places, rows, keys[mine].astype(np.uint32)))
    flagged = recurring.union(scope.entries for scope in scopes)
    flags = stripping.listed(flagged, offsets, np.arange(len(evidence)))
    yield Message("flagged", part, pa.table({"place": flagged}))
    inside = np.flatnonzero(stripping.runs(tables["traces"], flags, offsets, params)[1])
    for number, scope in enumerate(scopes):
        within = recurring.among(scope, inside)
        yield Message("passages", part, entry_rows(number, within, known))
        table = _members(within, known, starts[part], params.sample)
        table = table.append_column("scope", pa.array(np.full(len(table), number, np.int8)))
        table = table.append_column("asker", pa.array(np.full(len(table), part, np.int32)))
        yield from deal("members", table, part_of_hash(table["key"].to_numpy(), parts))


def _members(scope: Scope, known: npt.NDArray[np.uint64], start: int, sample: int) -> pa.Table:
    """Return each key of some entries with the hash of its documents that are evidence, and the first of these."""
    order = np.argsort(scope.keys, kind="stable")
    keys = np.unique(scope.keys)
    telling = order[scope.evidence[scope.rows[order]]]
    told, begin, sizes = np.unique(scope.keys[telling], return_index=True, return_counts=True)
    members = start + scope.rows[telling].astype(np.int64)
    place, hashes, counts = np.searchsorted(keys, told), np.zeros(len(keys), np.uint64), np.zeros(len(keys), np.int64)
    hashes[place] = boilerplate.set_hashes(members, begin)
    counts[place] = np.minimum(sizes, sample)
    first = members[np.repeat(begin, counts[place]) + steps(counts[place])]
    return pa.table({"key": known[keys], "hash": hashes, "members": _lists(first, counts)})


def _lists(values: _Int, sizes: _Int) -> pa.LargeListArray:
    return schema.ragged_array(values, np.concatenate(([0], np.cumsum(sizes))))


def _sets(part: int, tables: Tables, *, starts: _Int, params: BoilerplateParams) -> Iterator[Message]:
    """Put the sets of a part's keys together, and send each to the part that measures it."""
    members = tables["members"]
    order = np.argsort(members["key"].to_numpy(), kind="stable")  # rising positions, as parts are
    members = schema.take(members, pa.array(order))
    key, first, hashes = totals(members["key"].to_numpy(), members["hash"].to_numpy())
    places, ends = schema.ragged(members["members"])
    begin, all_of = ends[first], np.diff(ends[np.append(first, len(members))])
    scope = members["scope"].to_numpy()[first]
    name = hashing.hash_pairs(hashes, scope.astype(np.uint64))
    holders = members.select(["key", "asker"])
    own = np.searchsorted(key, holders["key"].to_numpy())
    yield Message("keys", part, holders.append_column("set", pa.array(name[own])))
    _, chosen = np.unique(name, return_index=True)
    chosen = chosen[all_of[chosen] > 0]
    sizes = np.minimum(all_of[chosen], params.sample)
    sampled = places[np.repeat(begin[chosen], sizes) + steps(sizes)]
    table = pa.table({"set": name[chosen], "scope": scope[chosen], "members": _lists(sampled, sizes)})
    table = table.append_column("asker", pa.array(np.full(len(table), part, np.int32)))
    # Sets with one first member share others as a rule: they are measured in one part.
    leader = places[begin[chosen]].astype(np.uint64)
    yield from deal("sets", table, part_of_hash(hashing.hash_pairs(leader, leader), len(starts) - 1))
    for number in _SCOPES:
        picked = np.unique(sampled[np.repeat(scope[chosen] == number, sizes)])
        table = pa.table({"scope": np.full(len(picked), number, np.int8), "place": picked}, schema=_PICKED)
        yield from deal("picked", table, part_of_place(picked, starts))


def _ask(part: int, tables: Tables, *, starts: _Int, sample: int) -> Iterator[Message]:
    """Ask for the documents of each set, and count those from which frequencies may be learnt."""
    if "sets" in tables:
        sets = tables["sets"]
        yield Message("askers", part, sets.select(["set", "asker"]))
        _, chosen = np.unique(sets["set"].to_numpy(), return_index=True)
        sets = schema.take(sets.select(["set", "scope", "members"]), pa.array(chosen))
        yield Message("sets", part, sets)
        wanted = np.concatenate((schema.ragged(sets["members"])[0], np.arange(min(starts[-1], sample))))
        yield from ask("asked", part, wanted, starts)
    for scope in _SCOPES:
        if "picked" in tables and len(rows := _picked(part, tables, starts, scope)):
            yield Message("counts", part, pa.table({"scope": [scope], "count": [len(rows)]}))


def _picked(part: int, tables: Tables, starts: _Int, scope: int) -> _Int:
    """Return the documents of a part from which a scope's frequencies may be learnt; empty where none is in a set."""
    picked = tables["picked"]
    mine = picked["place"].to_numpy()[picked["scope"].to_numpy() == scope]
    return np.union1d(mine, _first(part, starts)) if len(mine) else mine


def _first(part: int, starts: _Int) -> _Int:
    return np.arange(starts[part], max(min(starts[part + 1], FREQUENCY_SAMPLE), starts[part]))


def _quotas(flow: Flow, counts: Dataset, starts: _Int) -> _Int:
    """Return of how many documents of each part frequencies are learnt, int64[2, parts]; 0 in a scope without sets."""
    sizes = np.zeros((len(_SCOPES), flow.parts), np.int64)
    for part, table in flow.gather(counts).items():
        sizes[table["scope"].to_numpy(), part] = table["count"].to_numpy()
    first = np.array([len(_first(part, starts)) for part in range(flow.parts)])
    sizes = np.where(sizes.any(axis=1, keepdims=True), np.maximum(sizes, first), 0)
    quotas: _Int = np.clip(MOST_LEARNT - (np.cumsum(sizes, axis=1) - sizes), 0, sizes)
    return quotas


def _bare(
    part: int, tables: Tables, *, starts: _Int, parts: int, quotas: _Int, params: BoilerplateParams
) -> Iterator[Message]:
    """Send the terms of documents without the frequent passages: whole to who asked, and summed for the frequencies."""
    if "sketches" not in tables:
        return
    nothing = np.empty(0, np.int64)
    picked = tables.get("picked", _PICKED.empty_table())
    learnt = []
    for scope in _SCOPES:
        mine = picked["place"].to_numpy()[picked["scope"].to_numpy() == scope]
        learnt.append(np.union1d(mine, _first(part, starts))[: quotas[scope, part]])
    asked = tables["asked"]["place"].to_numpy() if "asked" in tables else nothing
    rows = np.unique(np.concatenate((asked, *learnt))).astype(np.int64)
    if not len(rows):
        return
    every = Read(tables["sketches"], tables["terms"], tables["traces"])
    offsets = schema.ragged(every.sketches["shingles"])[1]
    flagged = tables["flagged"]["place"].to_numpy() if "flagged" in tables else nothing
    local = rows - starts[part]
    counts = stripping.bare(every.take(local), stripping.listed(flagged, offsets, local), params)
    for scope, some in zip(_SCOPES, learnt, strict=True):
        terms = schema.ragged(schema.take_values(counts["terms"], pa.array(np.searchsorted(rows, some))))[0]
        term, count = np.unique(terms, return_counts=True)
        table = pa.table({"scope": np.full(len(term), scope, np.int8), "term": term, "count": count})
        yield from deal("counted", table, part_of_hash(term, parts))
    yield from reply("answer", tables.get("asked"), counts.select(["terms", "counts"]), rows)


def _summed(part: int, tables: Tables) -> Iterator[Message]:
    """Add up in how many documents each term stands."""
    for scope in _SCOPES:
        table = tables["counted"]
        mine = table["scope"].to_numpy() == scope
        term, _, count = totals(table["term"].to_numpy()[mine], table["count"].to_numpy()[mine])
        yield Message(f"scope{scope}", part, pa.table({"term": term, "count": count.astype(np.int32)}))


def _model(flow: Flow, summed: Dataset, documents: int) -> Background:
    """Bring the frequencies of a scope to the program; they are of `MOST_LEARNT` documents at most."""
    tables = list(flow.gather(summed).values())
    if not tables:
        return Background(np.empty(0, np.uint64), np.empty(0, np.int32), documents)
    table = pa.concat_tables(tables)
    return Background(table["term"].to_numpy(), table["count"].to_numpy(), documents)


def _measure(
    part: int, tables: Tables, *, n: int, models: list[Background], params: BoilerplateParams
) -> Iterator[Message]:
    """Tell of which sets the documents resemble each other no more than any do."""
    if "sets" not in tables:
        return
    sets, answers = tables["sets"], tables["answers"]
    chance = np.arange(min(n, params.sample))

    def bare(rows: _Int) -> pa.Table:
        return schema.take(answers, pa.array(at(answers, rows)))

    told = [np.empty(0, np.uint64)]
    for scope, model in zip(_SCOPES, models, strict=True):
        mine = sets.filter(pa.array(sets["scope"].to_numpy() == scope))
        weigh = weighing.by_frequencies(model)
        usual = boilerplate.mean_cosines(chance, np.array([0, len(chance)]), bare, weigh)[0] if len(mine) else 0.0
        for start in range(0, len(mine), _MEASURED):
            some = mine.slice(start, _MEASURED)
            means = boilerplate.mean_cosines(*schema.ragged(some["members"]), bare, weigh)
            told.append(some["set"].to_numpy()[boilerplate.unrelated(means, usual, params)])
    found = np.concatenate(told)
    askers = tables["askers"]
    wanted = askers.filter(pa.array(np.isin(askers["set"].to_numpy(), found)))
    yield from deal("told", wanted.select(["set"]), wanted["asker"].to_numpy())
    yield counted("found", part, len(found))


def _told(part: int, tables: Tables) -> Iterator[Message]:
    """Tell those who hold shingles of these sets."""
    if "told" not in tables:
        return
    keys = tables["keys"]
    wanted = keys.filter(pa.array(np.isin(keys["set"].to_numpy(), tables["told"]["set"].to_numpy()))).sort_by("key")
    yield from deal("told", wanted.select(["key"]), wanted["asker"].to_numpy())
