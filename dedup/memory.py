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
PARTS = 1 / 8  # of M: parts at work
TABLES = 1 / 4  # of M: the table in which shingles are counted, and the shingles that may be boilerplate
READ = 1.0 * KB  # an article while reading: its id, and what is not in files
COPIES = 1.9 * KB  # in pass 1: columns that stay in memory, index of the prefix join, candidate pairs
STORIES = 4.2 * KB  # in pass 2: vectors and postings, read in no order


def foretold(articles: int, text_bytes: int, level: str, threads: int, memory: int | None = None) -> float:
    """Return the peak of a whole job in MB.

    Parameters
    ----------
    articles, text_bytes : size of the corpus
    level : of `cluster`
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
    reading = START + PARTS * most + batches + READ * n
    first_pass = START + TABLES * most + COPIES * n
    second_pass = START + PARTS * most + STORIES * n if level == "story" else 0
    return max(reading, first_pass, second_pass) / 1e6
