"""The program of `pipeline.py` in supersteps: the same stages in the same order, over parts of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from dedup import __version__, manifests
from dedup.clock import Clock
from dedup.distributed import boilerplate, canonicals, copies, groups, linkage, reading, results, similar, writing
from dedup.distributed.corpus import Corpus
from dedup.distributed.flow import Dataset, Flow, Message, Tables
from dedup.distributed.vectors import representatives
from dedup.errors import SettingsError
from dedup.params import Params
from dedup.policy import parse_policy, reading_params
from dedup.run import Result

if TYPE_CHECKING:
    from dedup.engines.spark import SparkEngine
    from dedup.engines.spark_flow import SparkFlow


def cluster(articles: Any, params: Params, engine: SparkEngine, clock: Clock) -> Result:
    """Group articles as `pipeline.cluster` does, on the machines of an engine.

    Parameters
    ----------
    articles : what the engine reads: paths, URLs, or a DataFrame of its session

    Raises
    ------
    SettingsError
        A setting that only one machine knows.
    """
    made = _made(articles, params, engine, clock)
    with clock.stage("tables"):
        return writing.result(made.flow, made.tables, made.read, params, made.skipped, clock.seconds, made.kept)


def write(
    articles: Any, out: str, params: Params, engine: SparkEngine, clock: Clock, *, overwrite: bool = False
) -> dict[str, Any]:
    """Do so, and let the machines write the tables, of any size, in their order: a folder of Parquet files each.

    Parameters
    ----------
    out : folder that the engine writes to; `manifest` and `rejects`, as JSON, come last
    overwrite : whether what is there is replaced, table by table

    Returns
    -------
    The manifest.

    Raises
    ------
    OutputExistsError
        There is something, and it may not be replaced.
    """
    engine.check_out(out, overwrite)
    made = _made(articles, params, engine, clock)
    with clock.stage("tables"):
        manifest = writing.manifest(made.tables, made.read, params, made.skipped, clock.seconds)
        for name, fields in writing.fields_of(params, made.kept).items():
            engine.write(made.flow.frame(getattr(made.tables, name), fields), name, out)
        rejects = [manifests.dumps(asdict(reject)) for reject in made.read.rejects]
        engine.write_lines(rejects, "rejects.jsonl", out)
        engine.write_lines([manifests.dumps(manifest)], "manifest.json", out)
    return manifest


def check(params: Params) -> None:
    """Refuse settings that only one machine knows, before anything starts; raises SettingsError."""
    if params.overrides is not None:
        raise SettingsError("overrides: got rules, which the engine spark does not know yet; leave them out")
    if params.reading.limit is not None:
        raise SettingsError(
            f"limit: got {params.reading.limit:,}, which the engine spark does not know; hand over fewer articles"
        )


class _Made(NamedTuple):
    """What the passes made, where it was made."""

    flow: SparkFlow
    tables: results.Results
    read: reading.Read
    skipped: dict[str, int]
    kept: dict[str, pa.Field]  # input column → field of the output


def _made(articles: Any, params: Params, engine: SparkEngine, clock: Clock) -> _Made:
    check(params)
    kept = reading_params(params.reading, parse_policy(params.canonical))
    with clock.stage("read"):
        flow, given = engine.open(articles, kept, [__version__, params.results()])
        flow.after_step = clock.step
        corpus, read = reading.read(flow, replace(params, reading=kept), given.kept, **given.datasets(flow))
    tables, skipped = find(flow, corpus, params, clock)
    return _Made(flow, tables, read, skipped, given.kept)


def find(flow: Flow, corpus: Corpus, params: Params, clock: Clock) -> tuple[results.Results, dict[str, int]]:
    """Run both passes on a corpus in parts.

    Returns
    -------
    The tables of the run, and how much was left undone to stay within a budget.
    """
    policy = parse_policy(params.canonical)
    with clock.stage("boilerplate"):
        corpus = boilerplate.strip(flow, corpus, params)
    with clock.stage("copies"):
        units = copies.units(flow, corpus, params)
        verified, skipped = copies.verified(flow, corpus, units, params)
    with clock.stage("groups"):
        grouped = groups.group(flow, corpus, units, verified, params)
        made = canonicals.representatives(flow, corpus, grouped, verified, policy)
    if params.level == "story":
        with clock.stage("similar pairs"):
            linked = similar.links(flow, corpus, made, verified, params)
            skipped = skipped | linked.skipped
        with clock.stage("linkage"):
            nodes = flow.step("nodes", _nodes, copies=made)["nodes"]
            stories = linkage.stories(flow, linked.evidence, nodes, corpus.starts, params.stories)
            links: Dataset = linked.links
    else:
        linked = None
        alone = flow.step("alone", _alone, copies=made)
        stories, links = alone["stories"], alone["links"]
    with clock.stage("canonical"):
        chosen = canonicals.chosen_of_stories(flow, corpus, made, stories, links, policy)
        return results.results(flow, corpus, made, chosen, linked, verified, params), skipped


def _nodes(part: int, tables: Tables) -> Iterator[Message]:
    """Name the representatives, which are the nodes of pass 2."""
    position = tables["copies"].select(["position"])
    yield Message("nodes", part, position.filter(pa.array(representatives(tables["copies"]))))


def _alone(part: int, tables: Tables) -> Iterator[Message]:
    """Make each group its own story."""
    for _, _, nodes in _nodes(part, tables):
        position = nodes["position"]
        yield Message("stories", part, pa.table({"position": position, "story": position}))
