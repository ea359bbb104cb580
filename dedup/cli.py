"""The command `dedup`: each command parses, makes one library call and prints."""

# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that --help is quick

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dedup import __version__, options
from dedup.failures import Commands

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

_own_process = False  # not that of a program that calls a command


def main() -> None:
    """Run the command line; the entry point of `dedup`."""
    global _own_process  # noqa: PLW0603 - what main is
    _own_process = True
    gc.set_threshold(50_000)  # a tenth of the time to start is spent looking for garbage among modules
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows ? and does not stop the run
    app(prog_name="dedup")


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"terminated\n")  # print could be what was interrupted
    raise SystemExit(128 + signum)  # unwinds, so that staging is removed


app = typer.Typer(
    cls=Commands,
    name="dedup",
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,
    add_completion=False,
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
def cluster(
    *,
    inputs: options.Inputs = None,
    files_from: options.FilesFrom = None,
    out: options.Out,
    if_exists: options.IfExists = options.Exists.error,
    with_text: options.WithText = False,
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
    level: options.HowFar = options.Level.story,
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
    as_json: options.Json = False,
    progress: options.Progress = options.Show.auto,
    no_color: options.NoColor = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Group articles into duplicates and stories, and write them to a folder.

    Reads JSON, JSON Lines, CSV, TSV, Parquet, text, Markdown and HTML files, packed or not. Results go to stdout, all
    else to stderr.
    """
    if not inputs and files_from is None:
        raise typer.BadParameter("no INPUT; name files or folders, or --files-from FILE")
    from dedup import params, summaries, terminal

    settings = params.from_settings(
        {
            "text": text_col,
            "title": title_col,
            "id": id_col,
            "date": date_col,
            "source": source_col,
            "url": url_col,
            "lang": lang_col,
            "keep_cols": [name for names in keep_cols or [] for name in names.split(",") if name],
            "include": include,
            "exclude": exclude,
            "limit": limit,
            "max_doc_chars": max_doc_chars,
            "max_rejects": max_rejects,
            "duplicate_threshold": duplicate_threshold,
            "containment_threshold": containment_threshold,
            "story_granularity": story_granularity,
            "time_scale": time_scale,
            "canonical": canonical,
            "level": level.value,
            "with_text": with_text,
            "jobs": jobs,
            "memory": memory,
            "tmp_dir": tmp_dir,
        }
    )
    started = time.perf_counter()
    _spare_pandas()
    stdout, stderr = _consoles(no_color)

    from dedup.run import check_out

    paths = [*(inputs or [])]
    if files_from is not None:
        from dedup.reading import listed

        paths += listed(files_from)
    check_out(out, if_exists.value, paths)

    from dedup import pipeline
    from dedup.engines.local import usable_cores
    from dedup.kernels import ahead

    cores = settings.jobs or usable_cores()
    with (
        terminal.progress(stderr, "never" if quiet else progress.value, moving=not verbose) as report,
        ahead.compiling(cores, None if quiet else partial(terminal.note, stderr)),
    ):
        result = pipeline.cluster(paths, settings, progress=report)
    result.write(out, if_exists=if_exists.value)
    if not quiet:
        terminal.columns_read(stderr, result)
    if verbose:
        terminal.stages(stderr, result)
    if as_json:
        _print_json(summaries.summary(result, out))
    elif not quiet:
        terminal.summary(stdout, result, out, time.perf_counter() - started)


@app.command()
def show(
    *,
    run: options.Run,
    any_id: options.AnyId = None,
    top: options.Top = 20,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the largest stories, or one story with its groups and articles."""
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
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the articles to keep, with all their input columns."""
    from dedup.filtering import filter_run
    from dedup.run import open_run

    counts = filter_run(open_run(run), out, level.value, dropped, if_exists.value)
    if as_json:
        _print_json({"out": out, "dropped_out": dropped, "level": level.value, **counts})
        return
    typer.echo(f"kept     {counts['kept']:>9,}  {out}")
    typer.echo(f"dropped  {counts['dropped']:>9,}  {dropped or '(not written; --dropped FILE writes them)'}")


@app.command()
def evaluate(
    *,
    run: options.Run,
    gold: options.Gold,
    sweep: options.Sweep = False,
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
        from dedup.sweep import sweep as score_along

        with terminal.progress(stderr, "auto", moving=not verbose) as report:
            curves = score_along(open_run(run), read_gold(gold), progress=report)
        _print_json(curves) if as_json else charts.curves(stdout, curves)
        return
    scores = score(open_run(run).documents, read_gold(gold))
    if as_json:
        _print_json(scores)
    else:
        terminal.scores(stdout, scores)


class _NoPandas:
    """Finds no pandas."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _spare_pandas() -> None:
    """Keep pyarrow from importing pandas, which it does for its first array, .25 s, and which nothing here needs."""
    if _own_process and "pandas" not in sys.modules:
        import pyarrow

        sys.meta_path.insert(0, _NoPandas())
        pyarrow.array([0])
        sys.meta_path.pop(0)


def _consoles(no_color: bool) -> tuple[Console, Console]:
    from dedup.terminal import console

    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return console(sys.stdout, plain), console(sys.stderr, plain)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
