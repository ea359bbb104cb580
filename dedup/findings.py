"""What the passes found, and what is made of it: the tables of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import bindings, listing, pairing, reading, resemblance, schema, tables, text, weighing
from dedup.constraints import Constraints, isin, joined
from dedup.kernels.cosine import pair_cosines
from dedup.spill import Spill
from dedup.stories import Surroundings
from dedup.tables import Grouping

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]
_Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Corpus:
    """What is kept of the input, by position."""

    documents: pa.Table  # schema.DOCUMENTS without text (unless wanted), excerpt, content_key, kept columns
    sketches: pa.Table  # schema.sketches, without boilerplate once that is learnt
    whole: pa.Table  # resemblance.TEMPLATE_COLUMNS of the sketches, with it where `as_read` points to
    as_read: _Int  # [n] rows of it
    terms: pa.Table  # schema.TERMS; the language alone once they are numbered
    traces: pa.Table  # schema.TRACES
    source: reading.Source
    spill: Spill
    bound: Constraints | None = None  # what overrides mean here
    boilerplate: dict[str, int] = field(default_factory=dict)  # how much was taken out
    skipped: Counter[str] = field(default_factory=Counter)  # how much was left undone to stay within a budget


@dataclass(frozen=True)
class Copies:
    """Pass 1: units (documents that no rule tells apart), their verified pairs, and the groups."""

    unit: _Int  # [n] position of each unit's first document
    verified: pa.Table  # schema.VERIFIED over the first documents of units
    group: _Int  # [n] dense
    contained: npt.NDArray[np.bool_]  # [n]
    representative: _Int  # [k] position, by group
    reason: npt.NDArray[Any]  # [k]


@dataclass(frozen=True)
class Stories:
    """Pass 2, over the representatives in the order of their position."""

    positions: _Int  # [k] of the representatives
    rank: _Int  # [k] place of each group's representative among them
    vectors: weighing.Vectors
    around: Surroundings
    links: pa.Table  # schema.LINKS
    unlike: dict[str, pa.Table]  # schema.LINKS, refused for what the two texts are, by reason
    evidence: pa.Table  # the links, and pairs with scores below 0, which speak against one story
    label: _Int  # [k] dense


class Likeness(NamedTuple):
    """Every document beside the one that stands for it."""

    relation: npt.NDArray[Any]  # str[n]
    similarity: _Float  # [n]
    scores: dict[str, _Float]  # as of `similarities`


def measure(corpus: Corpus, copies: Copies, found: Stories, chosen: tuple[Grouping, Grouping]) -> Likeness:
    """Measure every document against its canonical one."""
    by_group, _ = chosen
    digest = schema.matrix(corpus.sketches["digest"])
    exact = (digest == digest[by_group.chosen[by_group.label]]).all(axis=1)
    scores = similarities(corpus, copies, found, chosen, exact)
    relation = relations(copies, chosen, exact, scores)
    return Likeness(relation, likeness(relation, scores), scores)


def build_tables(
    corpus: Corpus, found: Stories, chosen: tuple[Grouping, Grouping], measured: Likeness
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Fill the tables of documents, groups and clusters."""
    (by_group, by_story), (relation, similarity, scores) = chosen, measured
    documents = listing.documents_table(
        corpus.documents, by_group, by_story, {"similarity": similarity, **scores}, relation, corpus.spill
    )
    overlap = np.fmax(scores["jaccard"], scores["containment"])
    story_id = by_story.id[by_story.label]
    group_rows = tables.groups_table(corpus.documents, by_group, story_id, scores["jaccard"], overlap)
    clusters = tables.clusters_table(
        corpus.documents, by_group, by_story, similarity, cohesion(found), name_stories(corpus, found)
    )
    return documents, group_rows, clusters


def story_evidence(corpus: Corpus, copies: Copies, found: Stories, story: _Int) -> pa.Table:
    """Return pass 2's evidence, with what rules say.

    Parameters
    ----------
    story : int64[n], of each document
    """
    links = pairing.story_pairs(found.links, found.unlike, found.label, found.positions)
    if corpus.bound is None:
        return links
    links = bindings.tell_links(corpus.bound, story, links)
    if not len(found.vectors.indices):
        return links
    every = pa.concat_tables([found.links, *found.unlike.values()])
    said = bindings.story_rules(corpus.bound, found.rank[copies.group], found.vectors, every)
    again = isin(links["left"].to_numpy(), links["right"].to_numpy(), joined((said["left"], said["right"])))
    return pa.concat_tables([links.filter(pa.array(~again)), pairing.evidence(**said)])


def duplicate_evidence(corpus: Corpus, copies: Copies) -> pa.Table:
    """Return pass 1's evidence: every verified pair, and each exact copy with the first of its kind."""
    verified = copies.verified
    left, right = (verified[side].to_numpy() for side in ("left", "right"))
    copy = np.flatnonzero(copies.unit != np.arange(len(copies.unit)))
    together = copies.group[left] == copies.group[right]
    pairs = pa.concat_tables([told_verified(verified, together), told_copies(copies.unit[copy], copy)])
    return pairs if corpus.bound is None else bindings.tell_copies(corpus.bound, copies.group, pairs)


def similarities(
    corpus: Corpus, copies: Copies, found: Stories, chosen: tuple[Grouping, Grouping], exact: _Bool
) -> dict[str, _Float]:
    """Measure each document: Jaccard and containment with its representative, cosine of that with the canonical one.

    All three are those of the texts without their boilerplate.

    Parameters
    ----------
    exact : bool[n], whether a text equals its representative's; without a token the two have no shingles to share.

    Returns
    -------
    jaccard, containment, cosine : float64[n]; NaN for the representative itself, and for the canonical article's group.
    """
    by_group, by_story = chosen
    representative = by_group.chosen[by_group.label]
    left, right = copies.unit, copies.unit[representative]
    other = left != right  # of the rest `exact` knows
    jaccard, containment = np.ones((2, len(left)))
    jaccard[other], containment[other] = resemblance.overlap(corpus.sketches, left[other], right[other], corpus.spill)
    home = found.rank[copies.group]
    away = home[by_story.chosen][by_story.label]
    cosine = np.where(home == away, np.nan, pair_cosines(*found.vectors[:3], home, away))
    return told_scores(representative == np.arange(len(representative)), exact, jaccard, containment, cosine)


def told_scores(itself: _Bool, exact: _Bool, jaccard: _Float, containment: _Float, cosine: _Float) -> dict[str, _Float]:
    """Return the scores of documents by name: none with itself, 1 with an equal text, which may have no shingles."""
    return {
        "jaccard": np.where(itself, np.nan, np.where(exact, 1.0, jaccard)),
        "containment": np.where(itself, np.nan, np.where(exact, 1.0, containment)),
        "cosine": cosine,
    }


def likeness(relation: npt.NDArray[Any], scores: dict[str, _Float]) -> _Float:
    """Return how like each document is to the canonical one, float64[n], by what the two are to each other."""
    in_group = np.where(relation == "contained", scores["containment"], scores["jaccard"])
    return np.where(np.isnan(scores["cosine"]), np.where(np.isnan(in_group), 1.0, in_group), scores["cosine"])


def relations(
    copies: Copies, chosen: tuple[Grouping, Grouping], exact: _Bool, scores: dict[str, _Float]
) -> npt.NDArray[Any]:
    """Name what each document is to the one that stands for it, str[n]."""
    by_group, by_story = chosen
    position = np.arange(len(copies.unit))
    return named_relations(
        {
            "unique": by_story.size[by_story.label] == 1,
            "canonical": by_story.chosen[by_story.label] == position,
            "same_story": by_group.chosen[by_group.label] == position,
            "exact": exact,
            "contained": copies.contained,
        },
        scores,
    )


def named_relations(holds: dict[str, _Bool], scores: dict[str, _Float]) -> npt.NDArray[Any]:
    """Name what each document is by the first of these that holds, str[n].

    Parameters
    ----------
    holds : bool[n] each, unique, canonical, same_story (it represents its group), exact, contained
    """
    jaccard, containment = scores["jaccard"], scores["containment"]
    cases = {**holds, "contained": holds["contained"] | ((containment > jaccard) & (jaccard < 0.5))}
    return np.select(list(cases.values()), list(cases), "near").astype(object)


def told_verified(verified: pa.Table, together: _Bool) -> pa.Table:
    """Return verified pairs as evidence.

    Parameters
    ----------
    together : bool[p], whether the two are in one group
    """
    accepted = verified["accepted"].to_numpy(zero_copy_only=False)
    reason = pc.if_else(pa.array(accepted & ~together), "better held by another group", verified["reason"])
    return pairing.evidence(
        verified["left"].to_numpy(),
        verified["right"].to_numpy(),
        level="duplicate",
        kind=verified["kind"],
        jaccard=verified["jaccard"].to_numpy(),
        containment=verified["containment"].to_numpy(),
        accepted=accepted & together,
        reason=reason,
    )


def told_copies(first: _Int, copy: _Int) -> pa.Table:
    """Return exact copies with the first of their kind as evidence."""
    ones = np.ones(len(copy))
    return pairing.evidence(
        first,
        copy,
        level="duplicate",
        kind="exact",
        jaccard=ones,
        containment=ones,
        accepted=True,
        reason="same text",
    )


def mean_score(n: int, left: _Int, right: _Int, score: _Float) -> _Float:
    """Return the mean score of each position over its pairs, 0 where it has none."""
    return mean_at(n, np.concatenate((left, right)), np.tile(score, 2))


def mean_at(n: int, ends: _Int, score: _Float) -> _Float:
    """Return the mean score at each position, float64[n], 0 where it has none; summed in the order given."""
    total = np.bincount(ends, score, minlength=n)
    return total / np.maximum(np.bincount(ends, minlength=n), 1)


def cohesion(found: Stories) -> _Float:
    """Return the mean score over all pairs of groups of each story; NaN for a single group."""
    left, right = found.links["left"].to_numpy(), found.links["right"].to_numpy()
    inside = found.label[left] == found.label[right]
    size = np.bincount(found.label)
    total = np.bincount(found.label[left[inside]], found.links["score"].to_numpy()[inside], minlength=len(size))
    return cohesions(total, size)


def cohesions(total: npt.NDArray[Any], size: _Int) -> _Float:
    """Return the mean score over all pairs of groups, float64[k], of its sum and the number of groups."""
    return np.where(size > 1, total / np.maximum(size * (size - 1) / 2, 1), np.nan)


def name_stories(corpus: Corpus, found: Stories) -> list[str]:
    """Name each story of two or more groups by its heaviest terms, as spelt in its titles and excerpts."""
    many = np.bincount(found.label)[found.label] > 1
    stories = int(found.label.max(initial=-1)) + 1
    if not many.any():
        return [""] * stories
    named = np.zeros(len(corpus.documents), np.bool_)
    named[found.positions[many]] = True
    shown = corpus.documents.select(["title", "excerpt"]).filter(pa.array(named))
    words = text.spellings(pa.chunked_array([*shown["title"].chunks, *shown["excerpt"].chunks], pa.string()))
    dense = np.where(many, found.label, -1)
    names = weighing.top_terms(found.vectors, dense, words)
    return names + [""] * (stories - len(names))
