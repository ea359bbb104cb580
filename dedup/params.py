"""Every number a user can turn, with its unit, its range and the reason for its default."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from numbers import Real
from typing import Any, Literal

from dedup.errors import SettingsError
from dedup.overrides import Overrides, load

Level = Literal["exact", "duplicate", "story"]

DEFAULT_POLICY = "container,earliest,complete,longest,central"


def _check(name: str, value: float, low: float, high: float) -> None:
    if not isinstance(value, Real) or not low <= value <= high:
        raise SettingsError(f"{name}: got {value!r}, wanted a number from {low} to {high}")


def check_tmp_dir(folder: str | None) -> None:
    """Refuse a folder for temporary files that is not there; None is the system's."""
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112 - pathlib is not imported here
        raise SettingsError(f"tmp-dir: got {folder!r}, wanted a folder that is there; make it, or name another")


@dataclass(frozen=True)
class ReadingParams:
    """How input is read. Column names of None are found by the fixed table in `reading/columns.py`."""

    text_col: str | None = None
    title_col: str | None = None
    id_col: str | None = None
    date_col: str | None = None
    source_col: str | None = None
    url_col: str | None = None
    lang_col: str | None = None
    keep_cols: tuple[str, ...] = ()
    include: tuple[str, ...] = ()  # globs on file names inside folders; none: every known ending
    exclude: tuple[str, ...] = ()
    limit: int | None = None  # records; the first ones in input order
    max_doc_chars: int = 1_000_000  # characters; longer texts are matched on their first part, and say so
    max_rejects: float | None = None  # records, or a share of them below 1; None: 1 % and at least 10
    batch_rows: int = 4096  # records per batch
    batch_chars: int = 8_000_000  # characters per batch, so that long texts make short batches
    # A day (ISO 8601, UTC); earlier dates are suspect and count as missing. Forged ones are sentinels (0001, 1900) or
    # small epoch numbers (1970); archives are not: near-duplicate F1 on Reuters of 1987 is .961 without, .975 with.
    earliest_date: str = "1971-01-01"

    def __post_init__(self) -> None:
        if self.limit is not None:
            _check("limit", self.limit, 0, 2**62)
        if self.max_rejects is not None:
            _check("max-rejects", self.max_rejects, 0, 2**62)
        _check("max-doc-chars", self.max_doc_chars, 1, 2**40)
        try:
            date.fromisoformat(self.earliest_date)
        except (TypeError, ValueError):
            wanted = "a day in ISO 8601, such as 1971-01-01"
            raise SettingsError(f"earliest-date: got {self.earliest_date!r}, wanted {wanted}") from None


@dataclass(frozen=True)
class DuplicateParams:
    """Pass 1: when two texts are the same text.

    The rule in a user's words: the same text when they share 60 % of their wording, or one contains 85 % of the other,
    and at least three quarters of their figures agree; notices under 60 words must also share half their headline
    and lie less than two days apart.
    """

    jaccard: float = 0.60  # share of all distinct shingles of the two; wire rewrites sit at .6 to .8
    containment: float = 0.85  # share of the shorter one's shingles found in the longer
    recall: float = 0.95  # share of the pairs at the Jaccard threshold that bands find; the prefix join completes it
    num_perm: int = 128  # slots of a signature; datasketch's default, so that signatures can be exchanged
    shingle_words: int = 3  # tokens per shingle where words are spaced
    shingle_chars: int = 5  # tokens per shingle in scripts without spaces, where a token is a character
    numbers_agree: float = 0.75  # share of the figures that must agree
    numbers_slack: int = 100  # words, in each of which one differing figure is borne all the same
    short_words: int = 60  # words; under this a text is a notice: wording alone cannot tell templates apart
    short_title_share: float = 0.5  # share of the shorter headline's words that two notices have in common
    short_jaccard: float = 0.80  # share of the wording asked of notices where a headline is missing
    short_hours: float = 48.0  # hours; notices further apart in time are other notices
    template_share: float = 0.5  # share of both thresholds, from which two notices that differ are one template
    hot_key: int = 200  # documents behind one key; above, each is paired with its predecessors only
    predecessors: int = 4  # pairs per document behind a hot key
    pair_budget: int = 64  # pairs per document on average (labelled sets: .3), above which each keeps the best

    def __post_init__(self) -> None:
        _check("duplicate-threshold", self.jaccard, 0.05, 1)
        _check("containment-threshold", self.containment, 0.05, 1)
        _check("recall", self.recall, 0.5, 0.9999)
        _check("num-perm", self.num_perm, 16, 128)

    @property
    def prefix_containment(self) -> float:
        """Containment that both thresholds imply: J ≥ t gives containment ≥ 2t / (1 + t) of the shorter text."""
        return min(self.containment, 2 * self.jaccard / (1 + self.jaccard))


@dataclass(frozen=True)
class BoilerplateParams:
    """Between reading and pass 1: which passages say nothing about an article."""

    least: int = 5  # documents, 2 or more, that must hold a passage: fewer may be copies that nobody sees as such
    source_share: float = 0.05  # share of a source's documents; a columnist's favourite phrase stands in fewer
    corpus_share: float = 0.01  # share of all documents: a footer of one source of many, where sources are unknown
    run: int = 4  # shingles in a row, 1 or more, all frequent: six words; phrases of the language are shorter
    alike: float = 0.07  # cosine, the mean of its documents without it; above, they quote one event
    above_chance: float = 1.5  # times that of any documents, under which it says nothing: all are on one topic
    sample: int = 32  # documents of a passage among which this is measured
    titled: int = 3  # words of a title that tells stubs under one footer from copies
    own: int = 5  # shingles under which nothing is left of a document

    def __post_init__(self) -> None:
        _check("boilerplate least", self.least, 2, 2**62)
        _check("boilerplate source_share", self.source_share, 0, 1)
        _check("boilerplate corpus_share", self.corpus_share, 0, 1)


@dataclass(frozen=True)
class StoryParams:
    """Pass 2: when two texts report the same story. The defaults are one setting for every kind of corpus."""

    granularity: float = 0.35  # height of a single article in the tree cut: larger gives smaller stories
    cut_power: float = 0.35  # exponent of the heights; less favours large stories, whose averages are low
    pair_height: float = 0.07  # height that a story of two must rise above, since two may lie near by chance
    pair_fade: float = 3.0  # exponent; hardly many do: a story of n must rise above pair_height · (2 / n)^pair_fade
    title_weight: int = 2  # times that the words of a title count
    pair_floor: float = 0.05  # cosine under which two articles have nothing to do with each other
    feedback: float = 0.35  # share of the neighbours mixed into a vector (Rocchio)
    feedback_neighbours: int = 2  # neighbours that are mixed in; more pull single articles together
    crowd_neighbours: int = 20  # neighbours whose mean similarity tells how crowded it is around an article
    crowd_floor: float = 0.20  # similarity, least mean: in a small batch the unrelated that would be near are missing
    crowding: float = 0.8  # share of that crowdedness taken off a similarity
    sifting: float = 1.0  # times this correction, for plain cosines: feedback then lifts what belongs together
    crowd_scale: float = 0.05  # similarity added to that mean where similarities are told relative to it
    crowd_length: float = 10.0  # terms at which half of it is taken off: headlines have chance neighbours
    decay_floor: float = 0.3  # share of a similarity that is left between dates far apart
    time_scale: float = 7.0  # days; exp(-Δt / time_scale)
    dispersion: float = 0.7  # share of the logarithm of the usual decay that is taken off: none in a corpus of one day
    window: float = 90.0  # days; dated articles further apart are no candidates
    window_nearest: int = 10_000  # documents before and after that are: some dates are wrong, some stories last
    postings: int = 4_000_000  # index entries an article may meet; beyond, its commonest terms are left out first
    pair_budget: int = 100  # pairs per article on average (labelled sets: 2 to 56), above which each keeps the best
    link_floor: float = 0.02  # similarity after all corrections under which a link is not stored
    opposition: float = 3.0  # score that a template filled in again on another day takes from two stories
    same_day_opposition: float = 0.1  # score likewise on the same day, or without dates
    merge_floor: float = 0.005  # similarity, average of a link, down to which the tree is built

    def __post_init__(self) -> None:
        _check("story-granularity", self.granularity, 0.001, 10)
        _check("time-scale", self.time_scale, 0.01, 36_500)
        _check("title-weight", self.title_weight, 0, 20)


@dataclass(frozen=True)
class Params:
    """All settings of one run."""

    reading: ReadingParams = field(default_factory=ReadingParams)
    duplicates: DuplicateParams = field(default_factory=DuplicateParams)
    boilerplate: BoilerplateParams = field(default_factory=BoilerplateParams)
    stories: StoryParams = field(default_factory=StoryParams)
    canonical: str = DEFAULT_POLICY
    level: Level = "story"  # how far to go: exact copies only, duplicates, or stories too
    with_text: bool = False
    jobs: int | None = None  # threads; None: all cores this process may use
    memory: int | None = None  # bytes from which the job uses files; None: half of what it may use, at most 4 GiB
    tmp_dir: str | None = None  # folder of these files; None: the system's
    overrides: Overrides | None = None  # what a person decided; wins over all that is measured

    def __post_init__(self) -> None:
        if self.level not in ("exact", "duplicate", "story"):
            raise SettingsError(f"level: got {self.level!r}, wanted exact, duplicate or story")
        if self.jobs is not None:
            _check("jobs", self.jobs, 1, 1024)
        if self.memory is not None:
            _check("memory", self.memory, 1 << 20, 1 << 60)
        check_tmp_dir(self.tmp_dir)

    def results(self) -> dict[str, Any]:
        """Return the settings that the result depends on, as plain JSON data; how the work is done changes no byte."""
        found = asdict(replace(self, overrides=None))
        for name in ("jobs", "memory", "tmp_dir", "overrides"):
            del found[name]
        return found if self.overrides is None else {**found, "overrides": self.overrides.sha256}


# The name of each setting for users, on the command line (with dashes) and in Python, and where it lives.
SETTINGS = {
    "text": "reading.text_col",
    "title": "reading.title_col",
    "id": "reading.id_col",
    "date": "reading.date_col",
    "source": "reading.source_col",
    "url": "reading.url_col",
    "lang": "reading.lang_col",
    "keep_cols": "reading.keep_cols",
    "include": "reading.include",
    "exclude": "reading.exclude",
    "limit": "reading.limit",
    "max_doc_chars": "reading.max_doc_chars",
    "max_rejects": "reading.max_rejects",
    "duplicate_threshold": "duplicates.jaccard",
    "containment_threshold": "duplicates.containment",
    "story_granularity": "stories.granularity",
    "time_scale": "stories.time_scale",
    "canonical": "canonical",
    "level": "level",
    "with_text": "with_text",
    "jobs": "jobs",
    "memory": "memory",
    "tmp_dir": "tmp_dir",
    "overrides": "overrides",
}
_LISTS = {"keep_cols", "include", "exclude"}
_STRINGS = {"text", "title", "id", "date", "source", "url", "lang", "canonical", "level"}


def parse_size(text: str | int) -> int:
    """Read a size in bytes, such as 4GB, 512MiB or 2.5g: powers of 1024 with an i, else of 1000.

    Raises
    ------
    SettingsError
        It is no such size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", str(text).strip(), re.IGNORECASE)
    if not found:
        raise SettingsError(f"memory: got {text!r}, wanted a size such as 4GB or 512MiB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** ("kmgt".index(unit.lower()) + 1 if unit else 0))


def from_settings(settings: Mapping[str, Any]) -> Params:
    """Build parameters from settings by their user-facing names; a value of None keeps the default.

    Raises
    ------
    SettingsError
        For an unknown name (with the nearest known one) or a value out of range.
    """
    parts: dict[str, dict[str, Any]] = {"reading": {}, "duplicates": {}, "stories": {}, "": {}}
    for name, value in settings.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(SETTINGS)}"
            raise SettingsError(f"settings: no setting {name!r}; {hint}")
        if value is not None:
            if name in _LISTS and not (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)):
                raise SettingsError(f"{name}: got {value!r}, wanted a list of strings")
            if name in _STRINGS and not isinstance(value, str):
                raise SettingsError(f"{name}: got {value!r}, wanted a string")
            if name == "memory":
                value = parse_size(value)  # noqa: PLW2901
            if name == "overrides":
                value = load(str(value))  # noqa: PLW2901
            part, _, key = SETTINGS[name].rpartition(".")
            parts[part][key] = tuple(value) if isinstance(value, list) else value
    return Params(
        reading=ReadingParams(**parts["reading"]),
        duplicates=DuplicateParams(**parts["duplicates"]),
        stories=StoryParams(**parts["stories"]),
        **parts[""],
    )


def from_results(settings: Mapping[str, Any], overrides: str | None = None) -> Params:
    """Build parameters from what `Params.results` gave, as a manifest holds it.

    Parameters
    ----------
    overrides : the file that held the rules of the run, whose content must still be the same; None: without rules.

    Raises
    ------
    SettingsError
        A name is missing or unknown, as one of another version can be, or the rules have changed.
    """
    settings = dict(settings)
    sha256 = settings.pop("overrides", None)
    rules = load(overrides) if sha256 and overrides else None
    if rules and rules.sha256 != sha256:
        raise SettingsError(f"overrides: {overrides}: has changed since the run; run dedup cluster again")
    parts = {
        "reading": ReadingParams,
        "duplicates": DuplicateParams,
        "boilerplate": BoilerplateParams,
        "stories": StoryParams,
    }

    def names(given: Mapping[str, Any]) -> set[str]:
        return set(given) | {f"{part}.{key}" for part in parts for key in given.get(part, ())}

    if odd := names(settings) ^ names(Params().results()):
        raise SettingsError(f"settings: {min(odd)!r} is of another version of dedup; run dedup cluster again")
    made = {
        name: part(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings[name].items()})
        for name, part in parts.items()
    }
    return Params(**{**settings, **made}, overrides=rules)
