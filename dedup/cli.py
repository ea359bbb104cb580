"""The command `dedup`: each command parses, makes one library call and prints."""

# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from dedup import __version__, clustering, explained, judging, options, previews, reporting, startup
from dedup.errors import DamagedRunError
from dedup.failures import Commands
from dedup.options import consoles as _consoles
from dedup.options import print_json as _print_json


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


app.command("cluster")(clustering.cluster)


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


app.command("inspect")(options.with_settings_of(clustering.cluster)(previews.inspect))
app.command("config")(options.with_settings_of(clustering.cluster)(previews.config))
app.command("report")(reporting.report)
app.command("review")(judging.review)
app.command("calibrate")(judging.calibrate)
app.command("explain")(explained.explain)
