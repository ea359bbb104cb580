"""Which language an article is in: what its column says, else what its function words and its script say.

A language is its ISO 639-1 code, or 639-3 where there is none of two letters; null where neither tells. Two uses: the
function words of a language are no terms of its texts, and texts of two languages are no links. No model: a text is in
the language whose short list of function words it uses most, if it does so by far.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import schema
from dedup.kernels import words
from dedup.text import Comparable, comparable, tokenise

_Int = npt.NDArray[np.int64]

ENGLISH = "en"

# Of a guess. On 20,168 labelled articles in 16 languages of Africa and Europe 95 % are right and .1 % wrong, Pidgin
# aside, which is half taken for English or left open.
ASKED = 400  # tokens of a text, from its start
LEAST_VOTES = 4  # words of the language ...
LEAST_SHARE = 0.08  # ... and their share of all words
CLOSEST = 0.8  # votes for the second language, as a share of those for the first ...
LEAST_LEAD = 2  # ... and how many fewer they must be

# Scripts that one language of the news uses, by first and last code point (Unicode Standard 15).
_SCRIPTS = {
    "el": ((0x0370, 0x03E1), (0x03F0, 0x03FF), (0x1F00, 0x1FFF)),
    "hy": ((0x0530, 0x058F),),
    "he": ((0x0590, 0x05FF),),
    "pa": ((0x0A00, 0x0A7F),),
    "gu": ((0x0A80, 0x0AFF),),
    "or": ((0x0B00, 0x0B7F),),
    "ta": ((0x0B80, 0x0BFF),),
    "te": ((0x0C00, 0x0C7F),),
    "kn": ((0x0C80, 0x0CFF),),
    "ml": ((0x0D00, 0x0D7F),),
    "si": ((0x0D80, 0x0DFF),),
    "th": ((0x0E00, 0x0E7F),),
    "lo": ((0x0E80, 0x0EFF),),
    "my": ((0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),
    "ka": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF)),
    "ko": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),
    "km": ((0x1780, 0x17FF),),
    "ja": ((0x3040, 0x30FF), (0x31F0, 0x31FF)),  # Kana; Chinese is told by its function characters
}

# Codes of three letters and old ones, and names in English; other codes of two or three letters stand for themselves.
_ALIASES = """
af afr afrikaans,am amh amharic,ar ara arb arabic,az aze azj azerbaijani,be bel belarusian,bg bul bulgarian,
bn ben bengali bangla,ca cat catalan,cs ces cze czech,da dan danish,de deu ger german,el ell gre greek,en eng english,
es spa spanish,et est ekk estonian,fa fas per pes persian farsi,fi fin finnish,fr fra fre french,gu guj gujarati,
ha hau hausa,he heb iw hebrew,hi hin hindi,hr hrv croatian bs bos bosnian sh hbs,hu hun hungarian,hy hye arm armenian,
id ind in indonesian,ig ibo igbo,it ita italian,ja jpn jp japanese,ka kat geo georgian,km khm khmer,kn kan kannada,
ko kor korean,lg lug luganda ganda,ln lin lingala,lo lao,lt lit lithuanian,lv lav lvs latvian,ml mal malayalam,
mr mar marathi,ms msa may zsm malay,my mya bur burmese,ne nep npi nepali,nl nld dut dutch,
no nor nob nno nb nn norwegian,om orm gaz oromo,or ori ory odia,pa pan punjabi,pcm pidgin,pl pol polish,
pt por portuguese,rn run rundi kirundi,ro ron rum romanian,ru rus russian,rw kin kinyarwanda,si sin sinhala,
sk slk slo slovak,sl slv slovenian slovene,sn sna shona,so som somali,sr srp serbian,sv swe swedish,
sw swa swh swahili kiswahili,ta tam tamil,te tel telugu,th tha thai,ti tir tigrinya,tl tgl fil tagalog filipino,
tr tur turkish,uk ukr ukrainian,ur urd urdu,vi vie vietnamese,xh xho xhosa,yo yor yoruba,
zh zho chi cmn chinese mandarin,zu zul zulu
"""
_NO_LANGUAGE = {"und", "mul", "mis", "zxx", "xx", "unk", "na", "nan"}  # of these, "na" (Nauru) is a null in most data


class StopWords(NamedTuple):
    """Function words of all languages; `names` are the languages, those with a list first (language i is bit i)."""

    hashes: npt.NDArray[np.uint64]  # [k] sorted
    languages: npt.NDArray[np.uint64]  # [k] bits
    names: tuple[str, ...]


def of(documents: pa.RecordBatch, text: Comparable) -> pa.StringArray:
    """Tell the language of each article, string[n], null where unknown.

    Parameters
    ----------
    documents : schema.DOCUMENTS; what its `lang` says wins.
    """
    given = codes(documents["lang"])
    return given if given.null_count == 0 else pc.coalesce(given, guess(text))


def codes(column: pa.Array) -> pa.StringArray:
    """Read languages as publishers write them: ISO 639 codes of any kind, with or without region, or English names.

    Parameters
    ----------
    column : string[n]

    Returns
    -------
    string[n], null where none can be read.
    """
    distinct = schema.one_chunk(column).dictionary_encode()
    read = pa.array([_code(value) for value in distinct.dictionary.to_pylist()], pa.string())
    found: pa.StringArray = read.take(distinct.indices)
    return found


def guess(text: Comparable) -> pa.StringArray:
    """Guess the language of each text from its function words and its script.

    Returns
    -------
    string[n], null for texts too short or too mixed to tell.
    """
    known, tokens = stop_words(), text.body_tokens
    votes = words.language_votes(
        *schema.utf8(text.body), tokens.hashes, tokens.starts, tokens.offsets, ASKED,
        known.hashes, known.languages, _scripts(), len(known.names),
    )  # fmt: skip
    asked = np.minimum(np.diff(tokens.offsets), ASKED)
    order = np.argsort(-votes, axis=1, kind="stable")[:, :2]
    first, second = np.take_along_axis(votes, order, axis=1).T
    enough = (first >= LEAST_VOTES) & (first >= LEAST_SHARE * asked)
    sure = enough & (second <= CLOSEST * first) & (second <= first - LEAST_LEAD)
    names = pa.array(known.names, pa.string())
    found: pa.StringArray = names.take(pa.array(order[:, 0], mask=~sure))
    return found


def differ(language: npt.NDArray[np.int32], left: _Int, right: _Int) -> npt.NDArray[np.bool_]:
    """Tell which pairs are in two languages, as far as both are known.

    Parameters
    ----------
    language : int32[n], equal for equal languages, -1 where unknown
    left, right : int64[p]

    Returns
    -------
    bool[p]
    """
    a, b = language[left], language[right]
    stray: npt.NDArray[np.bool_] = (a != b) & (a >= 0) & (b >= 0)
    return stray


def numbered(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Give languages the numbers that `differ` wants: string[n] → int32[n], -1 for null."""
    found: npt.NDArray[np.int32] = schema.one_chunk(column).dictionary_encode().indices.fill_null(-1).to_numpy()
    return found


def bits(language: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Say whose function words are no terms of a text: those of its language, and English ones anywhere.

    Parameters
    ----------
    language : string[n]

    Returns
    -------
    uint64[n]
    """
    listed = pa.array(_listed(), pa.string())
    place = pc.index_in(language, value_set=listed).fill_null(_listed().index(ENGLISH)).to_numpy()
    found: npt.NDArray[np.uint64] = np.uint64(1 << _listed().index(ENGLISH)) | (np.uint64(1) << place.astype(np.uint64))
    return found


@cache
def stop_words() -> StopWords:
    """Read the lists of dedup/data/stop_words, one file for each language."""
    folder = resources.files("dedup.data").joinpath("stop_words")
    names = _listed()
    texts = pa.array([folder.joinpath(f"{name}.txt").read_text("utf-8") for name in names], pa.large_string())
    hashes, _, offsets, _, _ = tokenise(comparable(texts))
    bit = np.repeat(np.uint64(1) << np.arange(len(names), dtype=np.uint64), np.diff(offsets))
    order = np.argsort(hashes, kind="stable")
    known, first = np.unique(hashes[order], return_index=True)
    return StopWords(known, np.bitwise_or.reduceat(bit[order], first), (*names, *sorted(_SCRIPTS.keys() - set(names))))


@cache
def _listed() -> tuple[str, ...]:
    """Return the languages that have a list of function words, sorted; at most 64, as many as there are bits."""
    folder = resources.files("dedup.data").joinpath("stop_words")
    return tuple(sorted(file.name.removesuffix(".txt") for file in folder.iterdir() if file.name.endswith(".txt")))


@cache
def _scripts() -> npt.NDArray[np.uint8]:
    """Return 1 + the place in `StopWords.names` of the language that alone uses a code point's script, else 0."""
    table = np.zeros(0x10000, np.uint8)
    for language, blocks in _SCRIPTS.items():
        for first, last in blocks:
            table[first : last + 1] = 1 + stop_words().names.index(language)
    return table


@cache
def _known() -> dict[str, str]:
    return {name: code for code, *names in map(str.split, _ALIASES.split(",")) for name in (code, *names)}


def _code(value: str | None) -> str | None:
    name = re.split(r"[-_ (;,]", (value or "").strip().lower(), maxsplit=1)[0]
    if name in _known():
        return _known()[name]
    return name if re.fullmatch("[a-z]{2,3}", name) and name not in _NO_LANGUAGE else None
