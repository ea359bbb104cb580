"""Title and body → comparable text → tokens.

Two texts are *the same text* when their comparable texts are equal: NFKC, case folded, format characters dropped,
digits in ASCII, white space folded. A token is a run of letters, marks and digits of any script; in scripts written
without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar) every character is a token.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.kernels import composing, folding, hashing, jit, tokens

# Blocks of scripts written without spaces between words (Unicode Standard 15, chapters 16 and 18).
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration mark, closing mark, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),  # Myanmar extensions
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),  # Han compatibility
    (0x1AFF0, 0x1B16F),  # Kana supplements
    (0x20000, 0x323AF),  # Han extensions
)
_LAST_FOLDED = 0x20000  # nothing above has case or is a digit that NFKC leaves alone


class Tokens(NamedTuple):
    """Tokens of n texts; those of text d are offsets[d] … offsets[d + 1] - 1."""

    hashes: npt.NDArray[np.uint64]  # [t]
    kinds: npt.NDArray[np.uint8]  # [t], bits of `kernels.hashing`
    offsets: npt.NDArray[np.int64]  # [n + 1]
    starts: npt.NDArray[np.uint32]  # [t], bytes from the start of the text
    ends: npt.NDArray[np.uint32]  # [t]

    def words(self) -> npt.NDArray[np.int64]:
        """Count the words of each text; five characters of an unspaced script weigh as much as three words.

        Returns
        -------
        int64[n]
        """
        characters = np.flatnonzero(self.kinds & hashing.IS_CHARACTER)  # in most batches none
        of_text = np.diff(np.searchsorted(characters, self.offsets))
        words: npt.NDArray[np.int64] = (5 * np.diff(self.offsets) - 2 * of_text) // 5
        return words


class Comparable(NamedTuple):
    """A batch of documents as both passes see it."""

    body: pa.LargeStringArray  # comparable text; the title's where there is no text
    title: pa.LargeStringArray
    body_tokens: Tokens
    title_tokens: Tokens


def prepare(documents: pa.RecordBatch) -> Comparable:
    """Fold and tokenise the texts and titles of a batch, once for both passes.

    Parameters
    ----------
    documents : schema.DOCUMENTS, with or without kept columns
    """
    title = comparable(documents["title"])
    body = comparable(documents["text"])
    body = pc.if_else(pc.equal(body, ""), title, body)
    return Comparable(body, title, tokenise(body), tokenise(title))


def comparable(column: pa.Array) -> pa.LargeStringArray:
    """Return the comparable text of each string; null and empty give an empty text.

    Parameters
    ----------
    column : string or large_string[n]
    """
    column = schema.one_chunk(column).cast(pa.large_string()).fill_null("")
    tables = unicode_tables()
    needs = composing.unsettled(*schema.utf8(column), tables.joins)
    if needs.any():  # few texts need all of NFKC, which costs more than the rest; for others tables will do
        for need, normalise in ((composing.COMPOSABLE, _compose), (composing.UNSETTLED, _nfkc)):
            mask = pa.array(needs == need)
            column = pc.replace_with_mask(column, mask, normalise(column.filter(mask)))
    return schema.utf8_array(*folding.fold(*schema.utf8(column), tables.classes, tables.folds, tables.expansions))


def _compose(column: pa.LargeStringArray) -> pa.LargeStringArray:
    tables = unicode_tables()
    return schema.utf8_array(*composing.compose(*schema.utf8(column), tables.ranks, tables.pairs, tables.splits))


def _nfkc(column: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.utf8_normalize(column, form="NFKC")


def tokenise(comparable_text: pa.LargeStringArray) -> Tokens:
    """Split comparable texts into tokens."""
    return Tokens(*tokens.tokenise(*schema.utf8(comparable_text), unicode_tables().classes))


def spellings(column: pa.Array) -> dict[int, str]:
    """Map the hash of each term of some strings back to its letters (folded).

    Terms as in `kernels.tfidf.count_terms`: words, and pairs of characters of unspaced scripts.

    Parameters
    ----------
    column : string or large_string[n]
    """
    folded = comparable(column)
    hashes, kinds, offsets, starts, ends = tokenise(folded)
    data, texts = schema.utf8(folded)
    base = np.repeat(texts[:-1], np.diff(offsets))
    letters = data.tobytes()
    inner = np.ones(max(len(hashes) - 1, 0), np.bool_)  # token and successor are characters of one text
    borders = offsets[(offsets > 0) & (offsets < len(hashes))]
    inner[borders - 1] = False
    pairs = (
        np.flatnonzero(inner & (kinds[:-1] & kinds[1:] & hashing.IS_CHARACTER > 0)) if len(hashes) else np.empty(0, int)
    )
    words = np.flatnonzero(kinds & hashing.HAS_TWO)
    terms = np.concatenate((hashes[words], hashing.hash_neighbours(hashes)[pairs]))
    firsts, lasts = np.concatenate((words, pairs)), np.concatenate((words, pairs + 1))
    known, index = np.unique(terms, return_index=True)
    firsts, lasts = firsts[index], lasts[index]
    spans = zip(known.tolist(), (base + starts)[firsts].tolist(), (base + ends)[lasts].tolist(), strict=True)
    return {term: letters[start:end].decode() for term, start, end in spans}


class UnicodeTables(NamedTuple):
    """What the kernels know of code points, as `kernels.folding` and `kernels.composing` want it."""

    classes: npt.NDArray[np.uint8]  # [0x110000]
    folds: npt.NDArray[np.int32]  # [0x20000]
    expansions: npt.NDArray[np.int32]  # [k, 3]
    joins: npt.NDArray[np.uint8]  # [0x20000]
    ranks: npt.NDArray[np.uint8]  # [0x20000]
    pairs: npt.NDArray[np.int32]  # [j, 3]
    splits: npt.NDArray[np.int16]  # [0x20000]


@cache
def unicode_tables() -> UnicodeTables:
    """Return the tables of the code points, made by the first run."""
    depends = unicodedata.unidata_version + Path(__file__).read_text("utf-8")
    return UnicodeTables(*jit.kept_arrays("unicode", depends, _make_unicode_tables))


def _make_unicode_tables() -> UnicodeTables:
    """Build them from `unicodedata`."""
    every = [chr(c) for c in range(_LAST_FOLDED)]
    decomposed = [c for c, char in enumerate(every) if unicodedata.decomposition(char)]
    classes, joins = _classes(every), _joins(every, decomposed)
    pairs, splits = _pairs(every, decomposed)
    folded = [char.casefold() for char in every]
    for c in np.flatnonzero(classes[:_LAST_FOLDED] < folding.LETTER).tolist():
        folded[c] = {folding.SPACE: " ", folding.DROPPED: ""}.get(classes[c], every[c])
    for c in np.flatnonzero(classes[:_LAST_FOLDED] == folding.DIGIT).tolist():
        folded[c] = str(unicodedata.decimal(every[c]))
    replaced = folded.copy()
    for c in decomposed:
        parts = list(map(ord, unicodedata.normalize("NFKC", every[c])))
        if joins[c] == composing.ALONE and all(
            part < _LAST_FOLDED and joins[part] == composing.ALONE for part in parts
        ):
            replaced[c] = "".join(folded[part] for part in parts)
            grows = len(replaced[c]) > 3 or len(replaced[c].encode()) > 3 * len(every[c].encode())
            if not grows and " " not in replaced[c][1:]:
                joins[c] = composing.ALONE if parts == [c] else composing.REPLACED
                continue
        joins[c], replaced[c] = composing.JOINING, folded[c]
    spelt = np.array(replaced, "U3").view(np.int32).reshape(-1, 3)
    folds = spelt[:, 0].copy()
    several = np.flatnonzero((spelt[:, 1] > 0) | (classes[:_LAST_FOLDED] == folding.DROPPED))
    folds[several] = -1 - np.arange(len(several))
    ranks = np.array([unicodedata.combining(char) for char in every], np.uint8)
    return UnicodeTables(classes, folds, spelt[several], joins, ranks, pairs, splits)


def _classes(every: list[str]) -> npt.NDArray[np.uint8]:
    """Classify all code points, uint8[0x110000]."""
    categories = [unicodedata.category(char) for char in every]
    of_category = {name: folding.LETTER for name in set(categories) if name[0] in "LMN"}
    of_category |= {"Cf": folding.DROPPED, "Nd": folding.DIGIT}
    classes = np.full(0x110000, folding.OTHER, np.uint8)
    classes[:_LAST_FOLDED] = [of_category.get(name, folding.OTHER) for name in categories]
    classes[[c for c, char in enumerate(every) if char.isspace()]] = folding.SPACE
    for first, last in _UNSPACED_BLOCKS:
        block = classes[first : last + 1]
        block[(block == folding.LETTER) | (first >= _LAST_FOLDED)] = folding.UNSPACED
    classes[0xE0000:0xE0080] = folding.DROPPED  # tags
    classes[0xE0100:0xE01F0] = folding.LETTER  # variation selectors: marks
    return classes


def _joins(every: list[str], decomposed: list[int]) -> npt.NDArray[np.uint8]:
    """Tell what each code point is to NFKC beside others, uint8[0x20000]: see `composing.ALONE`."""
    marks = np.array([unicodedata.combining(char) for char in every]) > 0
    joins = np.where(marks, composing.MARK, composing.ALONE).astype(np.uint8)
    joins[[unicodedata.category(char) == "Cn" for char in every]] = composing.JOINING  # Arrow may know more than Python
    joins[0x1160:0x1200] = composing.JOINING  # Hangul vowels and finals, of which syllables are made by rule
    for c in decomposed:
        first, *rest = unicodedata.decomposition(every[c]).split()
        if len(rest) == 1 and not first.startswith("<"):
            second = int(rest[0], 16)  # makes one with what is before it
            joins[second] = composing.COMPOSING if marks[second] else composing.JOINING
    joins[[c for c in decomposed if marks[c]]] = composing.JOINING
    return joins


def _pairs(every: list[str], decomposed: list[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
    """List what two characters make one, sorted int32[j, 3], and where it is listed what ends in a mark."""
    pairs = []
    for c in decomposed:
        first, *rest = unicodedata.decomposition(every[c]).split()
        if len(rest) == 1 and not first.startswith("<") and unicodedata.is_normalized("NFC", every[c]):
            pairs.append((int(first, 16), int(rest[0], 16), c))
    listed = np.array(sorted(pairs), np.int32)
    splits = np.full(len(every), -1, np.int16)
    ends_in_mark = [row for row, (_, second, _) in enumerate(listed.tolist()) if unicodedata.combining(every[second])]
    splits[listed[ends_in_mark, 2]] = ends_in_mark
    return listed, splits
