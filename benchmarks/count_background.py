"""Count background document frequencies: python -m benchmarks.count_background FOLDER [OUT].

Reads every article that `dedup cluster FOLDER` would read, counts in how many of them each term occurs (title and
text), and writes the terms that occur in at least three as hashes and counts. No text and no word is stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dedup import counting, reading, schema, text, weighing
from dedup.params import ReadingParams, StoryParams

LEAST_DOCUMENTS = 3
SHIPPED = Path(__file__).parents[1] / "dedup" / "data" / "background.npz"


def count(folder: Path) -> weighing.Background:
    """Count the terms of all articles below a folder."""
    documents = 0
    terms = []
    for batch in reading.open_paths([folder], ReadingParams()).batches():
        counted = counting.count_terms(batch, text.prepare(batch), StoryParams())
        terms.append(schema.ragged(counted["terms"])[0])
        documents += len(batch)
    known, counts = np.unique(np.concatenate(terms), return_counts=True)
    kept = counts >= LEAST_DOCUMENTS
    return weighing.Background(known[kept], counts[kept].astype(np.int32), documents)


def main(folder: str, out: str = str(SHIPPED)) -> None:
    table = count(Path(folder))
    counts = table.counts.astype(np.min_scalar_type(table.counts.max()))
    np.savez_compressed(out, terms=table.terms, counts=counts, documents=np.int64(table.documents))
    print(f"{len(table.terms):,} terms of {table.documents:,} articles, {Path(out).stat().st_size:,} bytes, {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
