"""What a run was made from and with: its manifest, and the id that hangs on inputs, settings and version only."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

import dedup
from dedup import reading
from dedup.findings import Corpus
from dedup.params import Params
from dedup.remote import is_url, shown_root
from dedup.run import SKIPPED, Result


def manifest(corpus: Corpus, result: Result, params: Params, seconds: dict[str, float]) -> dict[str, Any]:
    """Describe the run: inputs, settings, counts and seconds. The run id hangs on inputs, settings and version only."""
    source, bound = corpus.source, corpus.bound
    counts = {**_counts(result), **corpus.boilerplate, **source.counts, "records": source.n_records}
    further = {} if bound is None else {"overrides": bound.described()}
    return described(params, source.files, counts, corpus.skipped, seconds, further)


def _counts(result: Result) -> dict[str, int]:
    documents = len(result.documents)
    group_size, story_size = result.groups["duplicate_size"].to_numpy(), result.clusters["story_size"].to_numpy()
    return {
        "documents": documents,
        "rejected": len(result.rejects),
        "duplicate_groups": int((group_size > 1).sum()),
        "duplicates": documents - len(result.groups),
        "stories": int((story_size > 1).sum()),
        "in_stories": int(story_size[story_size > 1].sum()),
        "singles": int((story_size == 1).sum()),
    }


def described(
    params: Params,
    files: list[reading.InputFile],
    counts: dict[str, int],
    skipped: Counter[str],
    seconds: dict[str, float],
    further: dict[str, Any],
) -> dict[str, Any]:
    """Describe a run, whichever engine made it; see `manifest`.

    Parameters
    ----------
    counts : of the tables, and on the way to them
    further : entries that not every run has
    """
    inputs = [asdict(file) for file in files]
    settings = params.results()
    identity = [
        dedup.__version__,
        settings,
        [[file["source_file"], file["sha256"] or file["etag"], file["records"]] for file in inputs],
    ]
    return {
        "format": 1,
        "version": dedup.__version__,
        "run_id": hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16],
        "root": _root([file["path"] for file in inputs if file["path"]]),
        "inputs": inputs,
        "settings": settings,
        **further,
        "counts": counts,
        "skipped": {name: skipped[name] for name in SKIPPED},
        "seconds": seconds,
    }


def _root(paths: list[str]) -> str:
    if not paths or any(map(is_url, paths)):
        return shown_root(paths)
    return str(Path(*_common([Path(path).parent.parts for path in paths])))


def _common(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the leading parts that all have."""
    shared = 0
    while all(len(part) > shared for part in parts) and len({part[shared] for part in parts}) == 1:
        shared += 1
    return parts[0][:shared]
