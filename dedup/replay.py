"""A finished run made again in memory, from its input or from its own text: what it found and did not write.

A run holds what was found at its settings; other settings (`evaluate --sweep`) and the reasons (`explain`) need the
texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup import reading
from dedup.clock import Clock, Progress
from dedup.engines.local import LocalEngine
from dedup.errors import InputError
from dedup.findings import Copies, Corpus, Stories
from dedup.params import Level, Params, from_results, parse_size
from dedup.pipeline import find_copies, find_stories, read, without_boilerplate
from dedup.policy import parse_policy
from dedup.run import Result

_Int = npt.NDArray[np.int64]

_OWN_COLUMNS: dict[str, Any] = {  # of a run with its text, by role
    "text_col": "text",
    "title_col": "title",
    "id_col": "doc_id",
    "date_col": "published_at",
    "source_col": "source",
    "url_col": "url",
    "lang_col": "lang",
}


class Replay(NamedTuple):
    """What both passes found, by position in the documents sorted by content key."""

    params: Params
    corpus: Corpus
    copies: Copies
    found: Stories

    def position(self, doc_id: str) -> int:
        """Return where a document is."""
        return int(pc.index(self.corpus.documents["doc_id"], doc_id).as_py())

    def doc_id(self, position: int) -> str:
        """Return whose position it is."""
        return str(self.corpus.documents["doc_id"][int(position)].as_py())

    @property
    def story(self) -> _Int:
        """The story of each document, int64[n]."""
        label: _Int = self.found.label[self.found.rank[self.copies.group]]
        return label


def replay(
    run: Result,
    asking: str,
    progress: Progress | None = None,
    level: Level | None = None,
    params: Params | None = None,
) -> Replay:
    """Make a run again in memory.

    Parameters
    ----------
    asking : who needs it, for messages
    progress : called with (stage, done, total or None)
    level : how far to go; None: as far as the run.
    params : of `params_of`; None: with what `cluster` works by default.

    Raises
    ------
    InputError
        The input of the run is gone or has changed, or another version of dedup finds other groups.
    SettingsError
        Another version of dedup, with other settings, made the run.
    """
    params = params or params_of(run)
    own = replace(params, level=level or params.level)
    clock = Clock(progress or (lambda *_: None))
    with LocalEngine(own.jobs) as engine:
        corpus = without_boilerplate(corpus_of(run, own, engine, clock, asking), own, clock, engine.map)
        copies = find_copies(corpus, own, parse_policy(own.canonical), clock, engine.map)
        made = Replay(own, corpus, copies, find_stories(corpus, copies, own, engine, clock))
    made_at = run.manifest["settings"]["level"]
    if own.level == made_at:
        _check_same(run, made, asking, {"duplicate_id": made.copies.group, "story_id": made.story})
    elif (own.level, made_at) == ("duplicate", "story"):
        _check_same(run, made, asking, {"duplicate_id": made.copies.group})
    return made


def params_of(
    run: Result, jobs: int | None = None, memory: int | str | None = None, tmp_dir: str | None = None
) -> Params:
    """Return the settings of a run, with its rules, and with what it is to be made again; raises as `from_results`."""
    own = from_results(run.manifest["settings"], run.manifest.get("overrides", {}).get("path"))
    room = None if memory is None else parse_size(memory)
    return replace(own, jobs=jobs, memory=room, tmp_dir=tmp_dir)


def corpus_of(run: Result, params: Params, engine: LocalEngine, clock: Clock, asking: str) -> Corpus:
    """Read the documents of a run again.

    Raises
    ------
    InputError
        See `unchanged_inputs`.
    """
    params = replace(params, with_text=False)  # nobody will look at it
    documents = run.documents
    if "text" not in documents.column_names:
        return read(unchanged_inputs(run, asking), params, parse_policy(params.canonical), engine, clock)
    own = replace(params, reading=replace(params.reading, **_OWN_COLUMNS, keep_cols=()))
    corpus = read(documents.select(list(_OWN_COLUMNS.values())), own, (), engine, clock)
    # What a cut text tells no more, such as its length, and kept columns are as the run has them.
    place = pc.index_in(corpus.documents["doc_id"], documents["doc_id"].combine_chunks())
    known = documents.drop_columns("text").take(place)
    return replace(corpus, documents=known.append_column("content_key", corpus.documents["content_key"]))


def unchanged_inputs(run: Result, asking: str) -> list[reading.FoundFile]:
    """Return the files that a run was made from, under the names and in the order that it had them.

    Raises
    ------
    InputError
        It was made from data in memory, or a file is gone or has changed.
    """
    files = [reading.FoundFile(reading.place_of(file["path"]), file["source_file"]) for file in run.manifest["inputs"]]
    for file, was in zip(files, run.manifest["inputs"], strict=True):
        made = f"{asking}: {run.path or 'the run'} was made from {reading.printable(was['path'] or was['source_file'])}"
        if not was["path"]:
            raise InputError(f"{made}, not from files; cluster with with_text")
        try:
            same = reading.is_version(file.path, was)
        except OSError as error:
            remedy = "put it back, or cluster again with --with-text, after which a run needs its input no more"
            raise InputError(f"{made}, which cannot be read ({error.strerror}); {remedy}") from error
        if not same:
            raise InputError(f"{made}, which has changed since; run dedup cluster again, or with --with-text")
    return files


def texts_of(run: Result, doc_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return title and text of some documents as they were read, from the run or from unchanged inputs."""
    wanted = sorted(set(doc_ids))
    columns = ["doc_id", "source_file", "source_row", *({"text"} & set(run.documents.column_names)), "title"]
    rows = run.documents.select(columns).filter(pc.is_in(run.documents["doc_id"], pa.array(wanted, pa.string())))
    if "text" in columns:
        return {row["doc_id"]: (row["title"] or "", row["text"] or "") for row in rows.to_pylist()}
    place = {(row["source_file"], row["source_row"]): row["doc_id"] for row in rows.to_pylist()}
    names = {name for name, _ in place}
    files = [
        reading.FoundFile(reading.place_of(file["path"]), file["source_file"])
        for file in run.manifest["inputs"]
        if file["source_file"] in names
    ]
    params = replace(params_of(run).reading, limit=None)
    found: dict[str, tuple[str, str]] = {}
    for batch in reading.open_source(files, params).batches():
        keys = zip(batch["source_file"].to_pylist(), batch["source_row"].to_pylist(), strict=True)
        for at, key in enumerate(keys):
            if key in place:
                found[place[key]] = (batch["title"][at].as_py() or "", batch["text"][at].as_py() or "")
        if len(found) == len(wanted):
            break
    return found


def _check_same(run: Result, made: Replay, asking: str, labels: dict[str, _Int]) -> None:
    """See that the run says the same: another version of dedup may find other groups."""
    place = pc.index_in(made.corpus.documents["doc_id"], run.documents["doc_id"].combine_chunks())
    same = len(run.documents) == len(made.copies.group) and place.null_count == 0
    for column, label in labels.items():
        if same:
            said = run.documents[column].take(place).combine_chunks().dictionary_encode().indices.to_numpy()
            both = len(np.unique(said * np.int64(len(label)) + label))
            same = both == len(np.unique(said)) == len(np.unique(label))
    if not same:
        raise InputError(
            f"{asking}: {run.path or 'the run'} was made by dedup {run.manifest['version']} and says something else "
            "than its input gives now; make it again with dedup cluster"
        )
