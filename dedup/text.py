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
from dedup.kernels import folding, hashing, jit

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
    starts: npt.NDArray[np.int64]  # [t], bytes in the text column
    ends: npt.NDArray[np.int64]  # [t]

    def words(self) -> npt.NDArray[np.int64]:
        """Count the words of each text; five characters of an unspaced script weigh as much as three words.

        Returns
        -------
        int64[n]
        """
        characters = (self.kinds & hashing.IS_CHARACTER) > 0
        total = np.concatenate(([0], np.cumsum(np.where(characters, 3, 5))))
        return (total[self.offsets[1:]] - total[self.offsets[:-1]]) // 5


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
    wide = folding.non_ascii(*schema.utf8(column))
    if wide.any():  # NFKC leaves ASCII alone and costs more than all the rest
        mask = pa.array(wide)
        column = pc.replace_with_mask(column, mask, pc.utf8_normalize(column.filter(mask), form="NFKC"))
    classes, folds, expansions = unicode_tables()
    return schema.utf8_array(*folding.fold(*schema.utf8(column), classes, folds, expansions))


def tokenise(comparable_text: pa.LargeStringArray) -> Tokens:
    """Split comparable texts into tokens."""
    return Tokens(*hashing.tokenise(*schema.utf8(comparable_text), unicode_tables()[0]))


def spellings(column: pa.Array) -> dict[int, str]:
    """Map the hash of each term of some strings back to its letters (folded).

    Terms as in `kernels.tfidf.count_terms`: words, and pairs of characters of unspaced scripts.

    Parameters
    ----------
    column : string or large_string[n]
    """
    folded = comparable(column)
    hashes, kinds, offsets, starts, ends = tokenise(folded)
    data = schema.utf8(folded)[0].tobytes()
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
    spans = zip(known.tolist(), starts[firsts[index]].tolist(), ends[lasts[index]].tolist(), strict=True)
    return {term: data[start:end].decode() for term, start, end in spans}


@cache
def unicode_tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the class and case-fold tables of the code points, made by the first run.

    Returns
    -------
    classes : uint8[0x110000], folds : int32[0x20000], expansions : int32[k, 3]
        As `kernels.folding.fold` wants them.
    """
    depends = unicodedata.unidata_version + Path(__file__).read_text("utf-8")
    classes, folds, expansions = jit.kept_arrays("unicode", depends, _make_unicode_tables)
    return classes, folds, expansions


def _make_unicode_tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    classes = np.full(0x110000, folding.OTHER, np.uint8)
    folds = np.arange(_LAST_FOLDED, dtype=np.int32)
    expansions: list[tuple[int, ...]] = []
    for c in range(_LAST_FOLDED):
        char = chr(c)
        category = unicodedata.category(char)
        if category[0] in "LMN":
            classes[c] = folding.LETTER
        elif category == "Cf":
            classes[c] = folding.DROPPED
        elif char.isspace():
            classes[c] = folding.SPACE
        if category == "Nd":
            classes[c] = folding.DIGIT
            folds[c] = ord("0") + unicodedata.decimal(char)
        elif category[0] in "LMN":
            folded = char.casefold()
            if len(folded) == 1:
                folds[c] = ord(folded)
            else:
                expansions.append((*map(ord, folded), 0)[:3])
                folds[c] = -len(expansions)
    for first, last in _UNSPACED_BLOCKS:
        block = classes[first : last + 1]
        block[(block == folding.LETTER) | (first >= _LAST_FOLDED)] = folding.UNSPACED
    classes[0xE0000:0xE0080] = folding.DROPPED  # tags
    classes[0xE0100:0xE01F0] = folding.LETTER  # variation selectors: marks
    return classes, folds, np.array(expansions, np.int32).reshape(-1, 3)
