"""Every public name, as a program uses it that is checked by `mypy --strict`; tests/test_public.py does so.

An ignored error is one that a type checker must find: mypy refuses an ignore that nothing needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import dedup
from dedup import (
    DamagedRunError,
    DedupError,
    InputError,
    LockedError,
    OutputExistsError,
    Params,
    ResourceError,
    Result,
    SettingsError,
    StoryClusterer,
    TooManyRejectsError,
    __version__,
    cluster,
    explain,
    open_run,
)


class Frame:
    """What any library offers that speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        raise NotImplementedError


class Batch:
    """One batch of it."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        raise NotImplementedError


def inputs() -> None:
    assert_type(cluster("articles.jsonl"), Result)
    assert_type(cluster(Path("articles")), Result)
    assert_type(cluster(["a.csv", "b.parquet"]), Result)
    assert_type(cluster(list(Path("articles").iterdir())), Result)
    assert_type(cluster([{"id": "a", "text": "…", "published": 5}]), Result)
    assert_type(cluster(Frame()), Result)
    assert_type(cluster(Batch()), Result)
    cluster(5)  # type: ignore[arg-type]
    cluster(None)  # type: ignore[arg-type]


def settings(progress: Callable[[str, int, int | None], None]) -> None:
    cluster("a", text="body", id="url", source="outlet", keep_cols=["lang"], level="duplicate", memory="2GB", jobs=2)
    cluster("a", Params(level="exact", with_text=True), progress=progress)
    cluster("a", txt="body")  # type: ignore[call-arg]
    cluster("a", level="stories")  # type: ignore[arg-type]
    cluster("a", duplicate_threshold="much")  # type: ignore[arg-type]
    cluster("a", progress=print)
    cluster("a", progress=len)  # type: ignore[arg-type]
    assert_type(Params().jobs, int | None)


def results(run: Result) -> None:
    assert_type(run.rejects, list[dict[str, Any]])
    assert_type(run.manifest, dict[str, Any])
    assert_type(run.path, Path | None)
    assert_type(run.story("harbour-03"), dict[str, Any])
    assert_type(run.verify(), list[str])
    assert_type(run.explain("harbour-01", "harbour-03"), dict[str, Any])
    assert_type(explain(run, "harbour-01", "harbour-03", print), dict[str, Any])
    assert_type(run.write("OUT", if_exists="skip", lock_timeout=5), str | Path)
    assert_type(open_run(Path("OUT")), Result)
    run.kept()
    print(run.kept(level="duplicate").num_rows)
    run.kept(level="exact")  # type: ignore[arg-type]
    run.write("OUT", if_exists="ask")  # type: ignore[arg-type]
    run.documents = run.pairs  # type: ignore[misc]
    print(run.articles)  # type: ignore[attr-defined]
    _ = run.documents, run.groups, run.clusters, run.pairs


def estimator(texts: list[str]) -> None:
    model = StoryClusterer(level="duplicate", n_jobs=1)
    assert_type(model.fit(texts), StoryClusterer)
    assert_type(model.fit_predict(texts), npt.NDArray[np.int64])
    assert_type(model.labels_, npt.NDArray[np.int64])
    assert_type(model.result_, Result)
    StoryClusterer(threshold=0.5)  # type: ignore[call-arg]


def errors() -> int:
    try:
        cluster("a")
    except (SettingsError, TooManyRejectsError, InputError, OutputExistsError):
        return 1
    except (LockedError, ResourceError, DamagedRunError) as error:
        return assert_type(error.exit_code, int)
    except DedupError as error:
        return error.exit_code
    return len(assert_type(__version__, str))


print(dedup.nothing)  # type: ignore[attr-defined]
