"""The command that makes a run: `dedup cluster`."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dedup import endings, options, previews, signals, startup, telling

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dedup.engines.spark import SparkEngine
    from dedup.logs import Report
    from dedup.metrics import Figures
    from dedup.run import Result


def cluster(  # the settings among these are read from the context, with the layers below the flags
    *,
    ctx: options.Context,
    inputs: options.Inputs = None,
    files_from: options.FilesFrom = None,
    out: options.Out,
    if_exists: options.IfRunExists = options.RunExists.error,
    with_text: options.WithText = None,
    keep_cols: options.KeepCols = None,
    text_col: options.TextCol = None,
    title_col: options.TitleCol = None,
    id_col: options.IdCol = None,
    date_col: options.DateCol = None,
    source_col: options.SourceCol = None,
    url_col: options.UrlCol = None,
    lang_col: options.LangCol = None,
    include: options.Include = None,
    exclude: options.Exclude = None,
    limit: options.Limit = None,
    level: options.HowFar = None,
    duplicate_threshold: options.DuplicateThreshold = None,
    containment_threshold: options.ContainmentThreshold = None,
    story_granularity: options.StoryGranularity = None,
    time_scale: options.TimeScale = None,
    canonical: options.Canonical = None,
    max_rejects: options.MaxRejects = None,
    max_doc_chars: options.MaxDocChars = None,
    jobs: options.Jobs = None,
    memory: options.Memory = None,
    tmp_dir: options.TmpDir = None,
    overrides: options.OverridesFile = None,
    engine: options.EngineIs = options.EngineName.local,
    checkpoint: options.Checkpoint = None,
    explain_plan: options.ExplainPlan = False,
    lock_timeout: options.LockTimeout = 0.0,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    log_format: options.LogsAs = options.LogFormat.text,
    metrics_file: options.MetricsFile = None,
    as_json: options.Json = False,
    progress: options.Progress = options.Show.auto,
    no_color: options.NoColor = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Group articles into copies and stories, and write a run.

    Reads JSON, JSON Lines, CSV, TSV, Parquet, text, Markdown and HTML files, packed or not. Results go to stdout, all
    else to stderr.
    """
    from dedup import jobs as job
    from dedup import logs, metrics, settings, summaries, terminal

    with metrics.written(None if dry_run else metrics_file) as figures, signals.heeded():
        endings.at_end(figures.write)
        params = settings.params_of(options.in_force(ctx, config))
        started = time.perf_counter()
        startup.spare_pandas()
        stdout, stderr = options.consoles(no_color)

        paths = options.named(inputs, files_from)
        on_spark = explain_plan or engine == options.EngineName.spark
        if on_spark:
            job.check_elsewhere(paths, out, params, if_exists.value)
        elif dry_run:
            job.check(paths, out, params, if_exists.value)
        if dry_run or explain_plan:
            previews.show_job(paths, params, as_json, stdout, plan=explain_plan, elsewhere=on_spark)
            return

        from dedup.run import open_run

        log = logs.Lines(sys.stderr, quiet) if log_format == options.LogFormat.json else None
        when = "never" if quiet else progress.value

        watched = telling.watched(log, stderr, when, params.jobs, moving=not verbose)
        at_work = _at_work(watched, figures, engine.value, checkpoint, params.tmp_dir)
        if on_spark and job.is_of_engine(out):
            with at_work as (report, elsewhere):
                manifest = job.make_elsewhere(paths, out, params, if_exists.value, elsewhere, report)
            figures.counts = manifest["counts"]
            previews.show_counts(out, manifest, as_json, quiet, stdout)
            return

        def run() -> Result:
            from dedup import pipeline  # not where nothing is to be done

            with at_work as (report, elsewhere):
                return pipeline.cluster(paths, params, progress=report, engine=elsewhere)

        made = job.make(paths, out, params, if_exists.value, lock_timeout, run, signals.guard)
        result = made or open_run(out)
        figures.counts = result.manifest["counts"]
        if not quiet:
            telling.done(result, out, log, stderr, skipped=made is None, verbose=verbose)
    if as_json:
        status = "skipped" if made is None else "done"
        options.print_json({"status": status, "exit_code": 0, **summaries.summary(result, out)})
    elif made is not None and not quiet:
        terminal.summary(stdout, made, out, time.perf_counter() - started)


@contextmanager
def _at_work(
    watched: AbstractContextManager[Report], figures: Figures, engine: str, checkpoint: str | None, tmp_dir: str | None
) -> Iterator[tuple[Report, SparkEngine | None]]:
    """Within, an engine is there, and what is told of its progress is measured too."""
    from dedup import engines

    with watched as report, engines.named(engine, checkpoint, tmp_dir, report) as elsewhere:
        yield figures.watching(report), elsewhere
