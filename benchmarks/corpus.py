"""A corpus of any size, resampled from articles, in one Parquet file; the same bytes for the same seed.

Of the articles made, 60 % are bases, 30 % copies and 10 % rewordings:

- Bases are the source's own articles, each once and in random order, until those are used up; from then on mixtures:
  sentences of the whole source up to the length of one of its articles, where a third of the longer words give way to
  invented ones. These are the article's own few names, drawn from a Zipf-Mandelbrot law without an end, so that
  the vocabulary grows with the corpus (Heaps' law) and mixtures of the same sentences are no near-copies.
- Copies repeat an article made not long before: one in six as it is, the others with .5 to 5 % of their words changed,
  and half of these without a passage of 20 to 60 words.
- Rewordings are mixtures that repeat most of the names of another article: other sentences, the same story.

Bases are spread evenly over the days; copies and rewordings come up to two days after what they repeat. Made in blocks:
a million articles as long as the seeds take about 100 seconds and 300 MB.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dedup import reading, schema
from dedup.params import ReadingParams

SEEDS = Path(__file__).parents[1] / "seeds" / "articles.jsonl"
HOUR = 3_600_000_000  # microseconds
END = 1_767_225_600_000_000  # 1 January 2026: dates run up to about then, since those of the future are no dates
SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "title", "text", "source")] + [("date", schema.TIMESTAMP)])

BLOCK = 5_000  # articles made at a time, and what a row group holds
POOL = 20_000  # latest bases, which copies and rewordings repeat
SHARES = (0.6, 0.3, 0.1)  # bases, copies, rewordings
INVENTED = 1 << 32  # token ids from here on are ranks of invented words
LONG_WORD = 5  # letters of a word that an invented one may replace
REPLACED = 1 / 3
NAMES = 40  # invented words of an article at most ...
WORDS_PER_NAME = 10  # ... and one for so many words
TAIL, HEAD = 0.6, 200.0  # of the Zipf-Mandelbrot law: P(rank ≥ r) = (1 + r / HEAD)^-TAIL
OUTLETS = 40

_Ids = npt.NDArray[np.int64]
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u31ff\u3400-\u9fff]")
_SYLLABLES = np.array([c + v for c in "bcdfghjklmnpqrstvwxz" for v in "aeiou"], object)


class Source(NamedTuple):
    """Articles as token ids; text joined by single spaces gives the original back."""

    words: npt.NDArray[np.object_]  # the word of each id
    replaceable: npt.NDArray[np.bool_]  # by id: long words of letters
    tokens: _Ids  # of all articles
    articles: _Ids  # [a + 1], where articles start in `tokens`
    starts: _Ids  # [s], of the sentences that mixtures are made of: of the commonest language, where that is told
    sizes: _Ids  # [s], their words
    titles: list[str]


class Made(NamedTuple):
    """An article that others can repeat."""

    tokens: _Ids
    names: _Ids
    title: str
    hour: int


def read(path: Path, spaced: bool = False) -> Source:
    """Read the articles of a file or folder, in any format that `dedup cluster` reads.

    Parameters
    ----------
    spaced : leave out texts in scripts written without spaces, in which other tools see no words
    """
    known: dict[str, int] = {}
    rows, titles, languages = [], [], []
    for batch in reading.open_paths([path], ReadingParams(max_rejects=0.99)).batches():
        columns = (batch[name].to_pylist() for name in ("text", "title", "lang"))
        for text, title, language in zip(*columns, strict=True):
            if text and not (spaced and UNSPACED.search(text)):
                languages.append(language or "")
                rows.append(np.array([known.setdefault(word, len(known)) for word in text.split(" ")], np.int64))
                titles.append(title or "")
    words = np.array(list(known), object)
    ends = np.array([word.endswith((".", "!", "?", "\n")) for word in words])
    replaceable = np.array([len(word) >= LONG_WORD and word.isalpha() for word in words])
    tokens = np.concatenate(rows)
    articles = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
    bounds = np.union1d(articles, np.flatnonzero(ends[tokens]) + 1)
    spoken = np.array(languages)[np.searchsorted(articles, bounds[:-1], side="right") - 1]
    common = spoken == Counter(languages).most_common(1)[0][0]
    return Source(words, replaceable, tokens, articles, bounds[:-1][common], np.diff(bounds)[common], titles)


def tables(source: Source, count: int, seed: int = 0, days: float | None = 365) -> Iterator[pa.Table]:
    """Make `count` articles, a table for each block; `days` is the span of their dates, None for no dates.

    Yields
    ------
    SCHEMA
    """
    random = np.random.default_rng(seed)
    unused = random.permutation(len(source.titles))
    begin = None if days is None else END - int(days * 24) * HOUR
    pool: list[Made] = []
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        kinds = random.choice(3, size, p=SHARES)
        kinds[0] = 0 if first == 0 else kinds[0]  # something to repeat
        verbatim, unused = np.split(unused, [min(len(unused), int((kinds == 0).sum()))])
        made = _block(source, kinds, verbatim, pool, int((days or 0) * 24), random)
        pool = (pool + [article for article, kind in zip(made, kinds, strict=True) if kind == 0])[-POOL:]
        yield _table(source, made, first, begin, random)


def write(path: Path, source: Source, count: int, seed: int = 0, days: float | None = 365) -> Path:
    """Write the corpus as Parquet, a row group for each block, and return its path."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for table in tables(source, count, seed, days):
            writer.write_table(table)
    return path


def spelling(rank: int) -> str:
    """Spell the invented word of a rank: at least two syllables, one way for each rank."""
    rank += len(_SYLLABLES)
    parts = []
    while rank:
        rank, syllable = divmod(rank, len(_SYLLABLES))
        parts.append(_SYLLABLES[syllable])
    return "".join(parts).capitalize()


def _block(
    source: Source, kinds: _Ids, verbatim: _Ids, pool: list[Made], hours: int, random: np.random.Generator
) -> list[Made]:
    """Make the articles of one block, in order of their kinds: 0 bases, 1 copies, 2 rewordings."""
    mixed = iter(_mixtures(source, int((kinds == 2).sum() + (kinds == 0).sum() - len(verbatim)), random))
    found = iter(verbatim)
    made: list[Made] = []
    later = list(pool)
    for kind in kinds:
        if kind == 0:
            article = next(found, None)
            hour = int(random.integers(hours + 1))
            if article is None:
                tokens, names = next(mixed)
                made.append(Made(_filled(source, tokens, names, random), names, _title(source, tokens, names), hour))
            else:
                tokens = source.tokens[source.articles[article] : source.articles[article + 1]]
                long = tokens[source.replaceable[tokens]]
                made.append(Made(tokens, long[:NAMES], source.titles[article], hour))
            later.append(made[-1])
            continue
        origin = later[int(random.integers(max(len(later) - POOL, 0), len(later)))]
        hour = origin.hour + int(random.integers(48))
        if kind == 1:
            made.append(origin._replace(tokens=_edited(source, origin.tokens, random), hour=hour))
        else:
            tokens, names = next(mixed)
            kept = origin.names[random.random(len(origin.names)) < 0.8]
            names = np.concatenate((kept, names[: len(names) // 5]))
            made.append(Made(_filled(source, tokens, names, random), names, _title(source, tokens, names), hour))
    return made


def _mixtures(source: Source, count: int, random: np.random.Generator) -> list[tuple[_Ids, _Ids]]:
    """Draw sentences up to the length of some article, `count` times, and the names of each mixture."""
    if not count:
        return []
    lengths = np.diff(source.articles)
    ends = np.cumsum(np.maximum(random.choice(lengths, count), 8))
    sizes = source.sizes
    drawn = random.integers(len(sizes), size=int(ends[-1] / sizes.mean() * 1.2) + count + 64)
    while sizes[drawn].sum() < ends[-1] + sizes.max() * count:
        drawn = np.concatenate((drawn, drawn))
    total = np.concatenate(([0], np.cumsum(sizes[drawn])))
    each = np.arange(count)  # a sentence for each at least
    last = np.maximum.accumulate(np.searchsorted(total, ends) - each) + each
    drawn, cuts = drawn[: last[-1]], total[last]
    starts = np.repeat(source.starts[drawn] - total[: last[-1]], sizes[drawn])
    tokens = source.tokens[starts + np.arange(cuts[-1])]
    parts = np.split(tokens, cuts[:-1])
    names = INVENTED + np.minimum(HEAD * (random.random((count, NAMES)) ** (-1 / TAIL) - 1), 1e12).astype(np.int64)
    return [(part, names[i, : min(max(len(part) // WORDS_PER_NAME, 3), NAMES)]) for i, part in enumerate(parts)]


def _filled(source: Source, tokens: _Ids, names: _Ids, random: np.random.Generator) -> _Ids:
    """Replace a third of the longer words by the article's names, the first of them most often."""
    if not len(names):
        return tokens
    places = np.flatnonzero(source.replaceable[tokens])
    places = places[random.random(len(places)) < REPLACED]
    tokens = tokens.copy()
    tokens[places] = names[(random.random(len(places)) ** 1.5 * len(names)).astype(np.int64)]
    return tokens


def _edited(source: Source, tokens: _Ids, random: np.random.Generator) -> _Ids:
    """Return a copy: as it is, or with some words changed, and perhaps without a passage."""
    if random.random() < 1 / 6:
        return tokens
    share = 0.005 + 0.045 * random.random()
    changed = random.random(len(tokens)) < share
    tokens = np.where(changed, random.integers(len(source.words), size=len(tokens)), tokens)
    if random.random() < 0.5 and len(tokens) > 120:
        start, length = int(random.integers(len(tokens) - 60)), int(random.integers(20, 60))
        tokens = np.delete(tokens, slice(start, start + length))
    return tokens


def _title(source: Source, tokens: _Ids, names: _Ids) -> str:
    """Make a headline of an article's first names and its first words."""
    heads = [spelling(int(name) - INVENTED) if name >= INVENTED else source.words[name] for name in names[:3]]
    return " ".join([*heads, *source.words[tokens[:5]]]).replace("\n", " ")


def _table(source: Source, made: list[Made], first: int, begin: int | None, random: np.random.Generator) -> pa.Table:
    """Spell the articles of a block."""
    tokens = np.concatenate([article.tokens for article in made])
    bounds = np.cumsum([len(article.tokens) for article in made])
    invented = tokens >= INVENTED
    ranks, place = np.unique(tokens[invented] - INVENTED, return_inverse=True)
    spelled = np.empty(len(tokens), object)
    spelled[~invented] = source.words[tokens[~invented]]
    spelled[invented] = np.array([spelling(rank) for rank in ranks.tolist()], object)[place] if len(ranks) else None
    texts = [" ".join(part) for part in np.split(spelled, bounds[:-1])]
    columns = {
        "id": [str(first + i) for i in range(len(made))],
        "title": [article.title for article in made],
        "text": texts,
        "date": [None if begin is None else begin + article.hour * HOUR for article in made],
        "source": [f"outlet {i}" for i in random.integers(OUTLETS, size=len(made)).tolist()],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
