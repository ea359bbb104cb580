"""Pairs of a run worth a person's verdict, drawn by strata: most of them where the run itself was least sure.

A pair counts as B-cubed counts it: one inside a cluster of s for 2 / s, so that every article has the same say; links
between two clusters of m and n together for the articles that a wrong cut there costs, 2 m n / (m + n). The sum over a
stratum is what its judged pairs stand for (Horvitz, Thompson 1952).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.run import Result

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]

LEVELS = ("duplicate", "story")
# Share of the questions of a level. The names say what the run thinks of the pair.
SHARES = {
    "duplicate": {"just copies": 0.3, "clear copies": 0.1, "nearly copies": 0.3, "no copies": 0.1, "facts differ": 0.2},
    "story": {"weak link": 0.25, "strong link": 0.1, "no link": 0.15, "nearly linked": 0.3, "far": 0.1, "refused": 0.1},
}
_NEAR = 1.2  # times a threshold, or less than it by as much: around it
_WITHIN = 20_000  # pairs of one story without a link that are looked at
_OWN_RULES = "override"  # reasons that begin so are a person's already


def pairs_of(result: Result, seed: int) -> pa.Table:
    """Return the pairs of a run that could be asked about.

    Returns
    -------
    doc_id_a, doc_id_b, level, stratum : string; score, mass : double; accepted : bool. The score is that of
    pairs.parquet for stories; for copies the larger of Jaccard and containment, each relative to its threshold.
    """
    found = result.pairs.filter(pc.invert(pc.starts_with(result.pairs["reason"].fill_null(""), _OWN_RULES)))
    sides = [pc.index_in(found[side], result.documents["doc_id"]).to_numpy() for side in ("doc_id_a", "doc_id_b")]
    parts = []
    for name in LEVELS:
        rows = np.flatnonzero(pc.equal(found["level"], name).to_numpy())
        own = [side[rows].astype(np.int64) for side in sides]
        parts.append(_of_level(result, name, found.take(rows), own[0], own[1]))
    parts.append(_unlinked(result, own[0], own[1], np.random.default_rng(seed)))
    return pa.concat_tables(parts)


def draw(pairs: pa.Table, count: int, seed: int, levels: tuple[str, ...] = LEVELS) -> pa.Table:
    """Draw pairs by stratum, in an order in which every beginning is a like sample.

    Within a stratum without replacement, likelier the more a pair counts (Efraimidis, Spirakis 2006).

    Parameters
    ----------
    count : pairs; fewer where a stratum holds fewer
    seed : the same pairs and seed give the same order

    Returns
    -------
    doc_id_a, doc_id_b, level, stratum, weight (sum of all that the stratum holds), score, accepted
    """
    generator = np.random.default_rng(seed)
    mass = pairs["mass"].to_numpy()
    key = np.log(generator.random(len(mass))) / np.maximum(mass, 1e-12)
    rows, places = [], []
    weight = np.zeros(len(mass))
    for level in levels:
        for name, share in SHARES[level].items():
            own = pc.and_(pc.equal(pairs["level"], level), pc.equal(pairs["stratum"], name))
            members = np.flatnonzero(own.to_numpy())
            weight[members] = mass[members].sum()
            wanted = min(len(members), int(np.ceil(count * share / len(levels))))
            members = members[np.argsort(-key[members], kind="stable")][:wanted]
            rows.append(members)
            places.append((np.arange(wanted) + generator.random()) / max(wanted, 1))
    order = np.argsort(np.concatenate(places), kind="stable")
    chosen = np.concatenate(rows)[order]
    pair = pc.binary_join_element_wise(pairs["doc_id_a"], pairs["doc_id_b"], "\0").take(chosen)
    codes = pair.combine_chunks().dictionary_encode().indices.to_numpy()
    chosen = chosen[np.sort(np.unique(codes, return_index=True)[1])][:count]  # some were measured on both levels
    table = pairs.append_column("weight", pa.array(np.round(weight, 6)))
    return table.select(["doc_id_a", "doc_id_b", "level", "stratum", "weight", "score", "accepted"]).take(chosen)


def _of_level(result: Result, level: str, found: pa.Table, left: _Int, right: _Int) -> pa.Table:
    cluster, size = _clusters(result, level)
    accepted = found["accepted"].to_numpy()
    kept = np.ones(len(found), np.bool_)
    if level == "duplicate":
        settings = result.manifest["settings"]["duplicates"]
        shares = (
            found["jaccard"].to_numpy() / settings["jaccard"],
            found["containment"].to_numpy() / settings["containment"],
        )
        score = np.fmax(*shares)
        kept = ~(accepted & (found["jaccard"].to_numpy() == 1))  # nobody doubts these
        refused = np.where(score < 1, np.where(score * _NEAR >= 1, "nearly copies", "no copies"), "facts differ")
        stratum = np.where(accepted, np.where(score < _NEAR, "just copies", "clear copies"), refused)
    else:
        score = found["score"].to_numpy()
        cut = found["reason"].to_numpy(zero_copy_only=False) == "tree cut"
        weak = score <= np.quantile(score[accepted], 0.4) if accepted.any() else accepted
        near = score >= np.quantile(score[cut], 0.7) if cut.any() else cut
        refused = np.where(cut, np.where(near, "nearly linked", "far"), "refused")
        stratum = np.where(accepted, np.where(weak, "weak link", "strong link"), refused)
    a, b = cluster[left], cluster[right]
    mass = np.where(a == b, 2 / np.maximum(size[a], 2), _between(a, b, size))
    return _table(found, level, stratum, score, mass, accepted).filter(pa.array(kept))


def _between(a: _Int, b: _Int, size: _Int) -> _Float:
    """Share what parts two clusters among the links between them."""
    key = np.minimum(a, b) * len(size) + np.maximum(a, b)
    _, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
    shared: _Float = 2 * size[a] * size[b] / (size[a] + size[b]) / times[inverse]
    return shared


def _unlinked(result: Result, left: _Int, right: _Int, generator: np.random.Generator) -> pa.Table:
    """Sample pairs of texts that are in one story without a link of their own.

    Parameters
    ----------
    left, right : int64[p], rows of the documents of all links
    """
    cluster, size = _clusters(result, "story")
    heads = np.flatnonzero(result.documents["is_representative"].to_numpy())
    heads = heads[np.argsort(cluster[heads], kind="stable")]
    heads = heads[size[cluster[heads]] > 2]
    of = cluster[heads]
    start = np.searchsorted(of, of)
    pick = generator.integers(0, max(len(heads), 1), _WITHIN if len(heads) else 0)
    other = start[pick] + generator.integers(0, size[of[pick]])
    one, two = heads[pick], heads[other]
    pairs = one != two
    key = _key(one, two)
    fresh = pairs & ~np.isin(key, _key(left, right))
    rows = np.unique(key[fresh], return_index=True)[1]
    one, two = one[fresh][rows], two[fresh][rows]
    # All pairs inside stories count for (s - 1) articles each; of these the share that has no link.
    whole = (1 - 1 / size[of]).sum() * fresh.sum() / max(pairs.sum(), 1)
    ids = result.documents["doc_id"]
    swap = pc.greater(ids.take(one), ids.take(two)).to_numpy().astype(bool)
    low, high = np.where(swap, two, one), np.where(swap, one, two)
    found = pa.table({"doc_id_a": ids.take(low), "doc_id_b": ids.take(high)})
    n = len(rows)
    mass = np.full(n, whole / max(n, 1))
    return _table(found, "story", np.full(n, "no link"), np.zeros(n), mass, np.ones(n, np.bool_))


def _key(left: _Int, right: _Int) -> _Int:
    return np.minimum(left, right) << 32 | np.maximum(left, right)


def _clusters(result: Result, level: str) -> tuple[_Int, _Int]:
    """Return the cluster of each document and the size of each cluster: documents of a group, groups of a story."""
    documents = result.documents
    cluster = documents[f"{level}_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    counted = np.ones(len(cluster), np.bool_)
    if level == "story":
        counted = documents["is_representative"].to_numpy()
    return cluster, np.bincount(cluster[counted], minlength=int(cluster.max(initial=-1)) + 1)


def _table(found: pa.Table, level: str, stratum: Any, score: _Float, mass: _Float, accepted: Any) -> pa.Table:
    return pa.table(
        {
            "doc_id_a": found["doc_id_a"].combine_chunks(),
            "doc_id_b": found["doc_id_b"].combine_chunks(),
            "level": pa.array(np.full(len(found), level), pa.string()),
            "stratum": pa.array(stratum, pa.string()),
            "score": pa.array(np.round(score, 6), pa.float64()),
            "mass": pa.array(mass, pa.float64()),
            "accepted": pa.array(accepted, pa.bool_()),
        }
    )
