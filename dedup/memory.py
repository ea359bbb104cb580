"""What a job takes at its peak, as docs/memory.md foretells it ("How much a job takes"): the same terms and numbers."""

from __future__ import annotations

from dedup.spill import Spill

GB, KB = 1e9, 1e3
ARTICLE = 2300  # bytes of the text of an article for which the numbers below hold

KEPT = 8.6 * KB  # what passes need of an article, which goes to files once all of it is above M / 8
START = 0.4 * GB  # interpreter, libraries, compiled kernels, Unicode tables
BATCH = 0.25 * GB  # a batch at work, on each thread that has one
BATCH_TEXT = 8e6  # characters of a batch
BELOW = 20 * KB  # an article in memory, while there are no files
IDS = 0.2 * KB  # an article's id while reading
COLUMNS = 0.3 * KB  # columns that stay in memory, labels and ids of clusters
TABLES = 1 / 4  # of M: the table in which shingles are counted, and the shingles that may be boilerplate
INDEX = 0.6 * KB  # index of the prefix join and the candidate pairs


def foretold(articles: int, text_bytes: int, level: str, threads: int, memory: int | None = None) -> float:
    """Return the peak of a whole job in MB.

    Parameters
    ----------
    articles, text_bytes : size of the corpus
    level : of `cluster`; what pass 2 takes is not above the rest up to 300,000 articles, and has no term
    threads : of the job
    memory : that of `--memory`, in bytes; None: its default

    Raises
    ------
    ValueError
        The level has no formula.
    """
    if level not in ("exact", "duplicate", "story"):
        raise ValueError(f"memory: got level {level!r}, wanted 'exact', 'duplicate' or 'story'")
    most = memory or Spill().memory
    n = text_bytes / ARTICLE  # articles of the size that the numbers are for
    batches = BATCH * min(threads, text_bytes / BATCH_TEXT)
    if n * KEPT <= most / 8:
        return (START + batches + BELOW * n) / 1e6
    reading = START + most / 8 + batches + IDS * articles
    first_pass = START + COLUMNS * articles + max(TABLES * most, INDEX * n)
    return max(reading, first_pass) / 1e6
