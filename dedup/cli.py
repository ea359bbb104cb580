"""The command `dedup`: each command parses, makes one library call and prints."""

# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that --help is quick

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dedup import __version__, endings, explained, judging, options, previews, reporting, signals, startup, telling
from dedup.errors import DamagedRunError
from dedup.failures import Commands
from dedup.options import consoles as _consoles
from dedup.options import print_json as _print_json

if TYPE_CHECKING:
    from dedup.logs import Report
    from dedup.run import Result


def main() -> None:
    """Run the command line; the entry point of `dedup`."""
    startup.prepare()
    app(prog_name="dedup")


app = typer.Typer(
    cls=Commands,
    name="dedup",
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dedup {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Find copies of articles, and articles that report the same story.

    Start with: dedup cluster ARTICLES.jsonl -o OUT
    """


@app.command()
def cluster(  # the settings among these are read from the context, with the layers below the flags
    *,
    ctx: typer.Context,
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
    from dedup import engines, logs, metrics, settings, summaries, terminal
    from dedup import jobs as job

    with metrics.written(None if dry_run else metrics_file) as figures:
        endings.at_end(figures.write)
        params = settings.params_of(options.in_force(ctx, config))
        started = time.perf_counter()
        startup.spare_pandas()
        stdout, stderr = _consoles(no_color)

        paths = options.named(inputs, files_from)
        on_spark = explain_plan or engine == options.EngineName.spark
        if on_spark:
            job.check_elsewhere(paths, out, params, if_exists.value)
        if dry_run or explain_plan:
            if on_spark:
                previews.check_visible(paths)
            else:
                job.check(paths, out, params, if_exists.value)
            show = previews.show_plan if explain_plan else previews.show_input
            show(paths, params, as_json, stdout)
            return

        from dedup.run import open_run

        log = logs.Lines(sys.stderr, quiet) if log_format == options.LogFormat.json else None
        when = "never" if quiet else progress.value

        @contextmanager
        def running() -> Iterator[tuple[Report, Any]]:
            with (
                telling.watched(log, stderr, when, params.jobs, moving=not verbose) as report,
                engines.named(engine.value, checkpoint, params.tmp_dir, report) as elsewhere,
            ):
                yield figures.watching(report), elsewhere

        if on_spark and job.is_of_engine(out):
            with running() as (report, elsewhere):
                manifest = job.make_elsewhere(paths, out, params, if_exists.value, elsewhere, report)
            figures.counts = manifest["counts"]
            previews.show_counts(out, manifest, as_json, quiet, stdout)
            return

        def run() -> Result:
            from dedup import pipeline  # not where nothing is to be done

            with running() as (report, elsewhere):
                return pipeline.cluster(paths, params, progress=report, engine=elsewhere)

        made = job.make(paths, out, params, if_exists.value, lock_timeout, run, signals.guard)
        result = made or open_run(out)
        figures.counts = result.manifest["counts"]
        if not quiet:
            telling.done(result, out, log, stderr, skipped=made is None, verbose=verbose)
    if as_json:
        status = "skipped" if made is None else "done"
        _print_json({"status": status, "exit_code": 0, **summaries.summary(result, out)})
    elif made is not None and not quiet:
        terminal.summary(stdout, made, out, time.perf_counter() - started)


@app.command()
def show(
    *,
    run: options.Run,
    any_id: options.AnyId = None,
    top: options.Top = 10,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the largest stories, or one story and its articles."""
    from dedup import summaries, terminal
    from dedup.run import open_run

    stdout, _ = _consoles(no_color)
    result = open_run(run)
    if any_id is None:
        if as_json:
            _print_json(summaries.largest(result, top))
        else:
            terminal.largest(stdout, result, top)
        return
    story = result.story(any_id)
    if as_json:
        _print_json(summaries.plain(story))
    else:
        terminal.story(stdout, story, top, any_id)


@app.command("filter")
def filter_command(
    *,
    run: options.Run,
    out: options.KeptOut,
    level: options.KeptOf = options.KeptLevel.story,
    dropped: options.Dropped = None,
    if_exists: options.IfExists = options.Exists.error,
    tmp_dir: options.TmpDirToo = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the articles to keep, with all their input columns."""
    from dedup.filtering import filter_run
    from dedup.run import open_run
    from dedup.terminal import clean

    counts = filter_run(open_run(run, tmp_dir), out, level.value, dropped, if_exists.value, tmp_dir)
    if as_json:
        _print_json({"out": out, "dropped_out": dropped, "level": level.value, **counts})
        return
    typer.echo(f"kept     {counts['kept']:>9,}  {clean(out)}")
    typer.echo(f"dropped  {counts['dropped']:>9,}  {clean(dropped or '(not written; --dropped FILE writes them)')}")


@app.command()
def evaluate(
    *,
    ctx: options.Context,
    run: options.Run,
    gold: options.Gold,
    sweep: options.Sweep = False,
    jobs: options.Jobs = None,  # these three are read from the context
    memory: options.Memory = None,
    tmp_dir: options.TmpDir = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Score a run against gold labels."""
    from dedup import terminal
    from dedup.evaluate import evaluate as score
    from dedup.gold import read_gold
    from dedup.run import open_run

    stdout, stderr = _consoles(no_color)
    if sweep:
        from dedup import charts
        from dedup.replay import params_of
        from dedup.sweep import sweep as score_along

        result = open_run(run)
        params = params_of(result, **options.means_in_force(ctx))
        with terminal.progress(stderr, "auto", moving=not verbose) as report:
            curves = score_along(result, read_gold(gold), params, progress=report)
        _print_json(curves) if as_json else charts.curves(stdout, curves)
        return
    scores = score(open_run(run).documents, read_gold(gold))
    if as_json:
        _print_json(scores)
    else:
        terminal.scores(stdout, scores)


@app.command()
def verify(*, run: options.Run, as_json: options.Json = False, verbose: options.Verbose = False) -> None:
    """See that a run is whole: its files, and what they say.

    Leaves with 0 where all is well and with 8 where something is damaged, one line each on stdout.
    """
    from pathlib import Path

    from dedup import terminal
    from dedup.verify import damage

    found = damage(Path(run))
    if as_json:
        _print_json({"run": run, "sound": not found, "damage": found})
    else:
        for line in found or ["sound: every file is as it was written, and the tables agree"]:
            typer.echo(terminal.clean(f"{run}: {line}"))
    if found:
        raise typer.Exit(DamagedRunError.exit_code)


app.command("inspect")(options.with_settings_of(cluster)(previews.inspect))
app.command("config")(options.with_settings_of(cluster)(previews.config))
app.command("report")(reporting.report)
app.command("review")(judging.review)
app.command("calibrate")(judging.calibrate)
app.command("explain")(explained.explain)
