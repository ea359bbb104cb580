"""How like each document is to the ones that stand for it, over parts: what `findings.similarities` measures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import resemblance, schema
from dedup.distributed.flow import Message, Tables, at, reply
from dedup.kernels.cosine import pair_cosines

_Int = npt.NDArray[np.int64]

_READ = ["digest", "shingles"]


def _units(tables: Tables) -> tuple[_Int, _Int]:
    """Return the units of a part that are not their representative's, and that one's, int64[u] each."""
    facts, known = tables["facts"], tables["known"]
    position, unit = facts["position"].to_numpy(), facts["unit"].to_numpy()
    own = known["unit"].to_numpy()[at(known, facts["representative"].to_numpy())]
    measured = (position == unit) & (unit != own)
    return unit[measured], own[measured]


def texts(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Send what is compared of texts to who asked, and keep it of the units that are compared here.

    Inputs: sketches, facts, known, shingles_wanted. Streams: texts, own_texts.
    """
    if "sketches" not in tables:
        return
    sketches = tables["sketches"].select(_READ)
    yield from reply("texts", tables.get("shingles_wanted"), sketches, tables["facts"]["position"].to_numpy())
    unit, _ = _units(tables)
    yield Message("own_texts", part, schema.take(sketches, pa.array(unit - starts[part])))


def overlaps(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Measure each unit against its representative's, and tell the documents that asked.

    Inputs: facts, known, texts, own_texts, units (who asked). Stream: overlaps.
    """
    facts = tables.get("facts")
    if facts is None:
        return
    jaccard, containment = np.ones((2, len(facts)))
    exact = np.ones(len(facts), np.bool_)
    unit, other = _units(tables)
    if len(unit):
        own, texts = tables["own_texts"], tables["texts"]
        both = pa.concat_tables([own, texts.select(_READ)]).combine_chunks()
        left, right = np.arange(len(own)), len(own) + at(texts, other)
        row = unit - starts[part]
        jaccard[row], containment[row] = resemblance.overlap(both, left, right)
        digest = schema.matrix(both["digest"])
        exact[row] = (digest[left] == digest[right]).all(axis=1)
    scores = pa.table({"jaccard": jaccard, "containment": containment, "exact": exact})
    yield from reply("overlaps", tables.get("units"), scores, facts["position"].to_numpy())


def vectors(part: int, tables: Tables) -> Iterator[Message]:
    """Send the vectors of canonical articles to the other groups of their stories, and keep the vectors of these.

    Inputs: vectors, chosen, canonicals (who asked). Streams: canonical_vectors, own_vectors.
    """
    if "vectors" not in tables:
        return
    found, chosen = tables["vectors"], tables["chosen"]
    yield from reply("canonical_vectors", tables.get("canonicals"), found, found["position"].to_numpy())
    other = chosen["canonical"].to_numpy() != chosen["position"].to_numpy()
    own = found.append_column("canonical", chosen["canonical"]).filter(pa.array(other))
    yield Message("own_vectors", part, own)


def cosines(part: int, tables: Tables) -> Iterator[Message]:
    """Measure each representative against the canonical article of its story.

    Inputs: own_vectors, canonical_vectors. Stream: cosines.
    """
    if "own_vectors" not in tables:
        return
    own, canonicals = tables["own_vectors"], tables["canonical_vectors"]
    read = ["indices", "data"]
    both = pa.concat_tables([own.select(read), canonicals.select(read)]).combine_chunks()
    indices, indptr = schema.ragged(both["indices"])
    right = len(own) + at(canonicals, own["canonical"].to_numpy())
    cosine = pair_cosines(indptr, indices, schema.ragged(both["data"])[0], np.arange(len(own)), right)
    yield Message("cosines", part, pa.table({"position": own["position"], "cosine": cosine}))
