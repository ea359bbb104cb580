"""The command `dedup`: each command parses, makes one library call and prints."""

# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that --help is quick

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import signal
import sys
import time
import traceback
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.core

from dedup import __version__
from dedup.errors import DedupError
from dedup.params import DEFAULT_POLICY, DuplicateParams, ReadingParams, StoryParams

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

LOG = logging.getLogger("dedup")
_own_process = False  # not that of a program that calls a command
_MOST_SHOWN = 300  # characters of an unforeseen message: some hold whole tables


class Level(StrEnum):
    """How far `cluster` goes."""

    exact = "exact"
    duplicate = "duplicate"
    story = "story"


class KeptLevel(StrEnum):
    """Of what `filter` keeps one."""

    duplicate = "duplicate"
    story = "story"


class Exists(StrEnum):
    """What to do where the output is there already."""

    error = "error"
    overwrite = "overwrite"


class Show(StrEnum):
    """When progress is shown."""

    auto = "auto"
    always = "always"
    never = "never"


class _Group(typer.core.TyperGroup):
    """All commands, with the one place where errors become exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DedupError as error:
            _fail(error.exit_code, f"error: {error}")
        except MemoryError as error:
            _fail(7, f"error: memory is used up ({error}); close other programs, or take fewer records with --limit")
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _fail(7, f"error: the disk is full ({error}); free some space")
            _fail(1, *_bug(error))
        except KeyboardInterrupt:
            _fail(130, "interrupted")
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if _is_usage_error(error):
                raise
            _fail(1, *_bug(error))


def _is_usage_error(error: Exception) -> bool:
    # The class lives in click or, in newer versions, inside typer; what they share is a way to show themselves.
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _bug(error: Exception) -> tuple[str, str, str]:
    message = " ".join(str(error).split())
    LOG.debug("traceback:\n%s", "".join(traceback.format_exception(error)).rstrip())
    return (
        "error: this is a bug in dedup, not in your data or settings",
        f"  {type(error).__name__}: {message[:_MOST_SHOWN]}",
        "  the same command with -v shows the traceback; please send it with your report",
    )


def _fail(code: int, *lines: str) -> NoReturn:
    from dedup.terminal import clean

    for line in lines:
        print(clean(line), file=sys.stderr)
    raise typer.Exit(code)


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
    cls=_Group,
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


def _log(verbose: bool) -> bool:
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        LOG.setLevel(logging.DEBUG)
    return verbose


Run = Annotated[str, typer.Argument(metavar="RUN", help="The folder that `dedup cluster -o` made.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, as the last line, and no tables.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR and TERM=dumb do the same.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_log, help="Say more on stderr; a traceback where there is a bug.")
]
IfExists = Annotated[Exists, typer.Option("--if-exists", help="Where the output is there already.")]


_SAME = DuplicateParams()
_STORY = StoryParams()


def _option(text: str, metavar: str, *names: str) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, show_default=False)


@app.command()
def cluster(
    *,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, or folders with files in them.", show_default=False)
    ],
    out: Annotated[str, _option("Folder to make, with the results in it.", "OUT", "--out", "-o")],
    if_exists: IfExists = Exists.error,
    with_text: Annotated[bool, typer.Option("--with-text", help="Write the texts too.")] = False,
    keep_cols: Annotated[list[str] | None, _option("Input columns to keep; commas, or repeat it.", "COL,COL")] = None,
    text_col: Annotated[str | None, _option("Column of the text.", "COL")] = None,
    title_col: Annotated[str | None, _option("Column of the title.", "COL")] = None,
    id_col: Annotated[str | None, _option("Column of the id.", "COL")] = None,
    date_col: Annotated[str | None, _option("Column of the date.", "COL")] = None,
    source_col: Annotated[str | None, _option("Column of the outlet.", "COL")] = None,
    url_col: Annotated[str | None, _option("Column of the URL.", "COL")] = None,
    lang_col: Annotated[str | None, _option("Column of the language.", "COL")] = None,
    include: Annotated[list[str] | None, _option("Read only files like this in folders; repeatable.", "GLOB")] = None,
    exclude: Annotated[list[str] | None, _option("Pass by files like this; repeatable.", "GLOB")] = None,
    limit: Annotated[int | None, _option("Read the first N records only.", "N")] = None,
    level: Annotated[Level, typer.Option(help="How far to go: exact copies, all duplicates, or stories.")] = (
        Level.story
    ),
    duplicate_threshold: Annotated[
        float | None, _option(f"Share of the wording that copies have in common ({_SAME.jaccard}).", "SHARE")
    ] = None,
    containment_threshold: Annotated[
        float | None, _option(f"Share of a text that is found in a longer one ({_SAME.containment}).", "SHARE")
    ] = None,
    story_granularity: Annotated[
        float | None, _option(f"Larger gives smaller stories ({_STORY.granularity}).", "NUMBER")
    ] = None,
    time_scale: Annotated[
        float | None, _option(f"Days after which likeness counts less ({_STORY.time_scale:g}).", "DAYS")
    ] = None,
    canonical: Annotated[
        str | None,
        _option(f"Who stands for a story; each word is asked where those before tie ({DEFAULT_POLICY}).", "POLICY"),
    ] = None,
    max_rejects: Annotated[
        float | None, _option("Bad records to bear: a number, or a share below 1 (1 %, at least 10).", "N")
    ] = None,
    max_doc_chars: Annotated[
        int | None, _option(f"Match longer texts on their first N characters ({ReadingParams().max_doc_chars:,}).", "N")
    ] = None,
    jobs: Annotated[int | None, _option("Threads (all cores).", "N", "--jobs", "-j")] = None,
    memory: Annotated[
        str | None,
        _option("Memory to work in, such as 2GB; the rest goes to files (half of all, at most 4GiB).", "SIZE"),
    ] = None,
    tmp_dir: Annotated[str | None, _option("Folder of these files (the system's).", "FOLDER")] = None,
    as_json: Json = False,
    progress: Annotated[Show, typer.Option(help="Show progress on stderr.")] = Show.auto,
    no_color: NoColor = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, and what --json asks for.")] = False,
    verbose: Verbose = False,
) -> None:
    """Group articles into duplicates and stories, and write them to a folder.

    Reads JSON Lines, CSV, TSV, Parquet and text files. Results go to stdout, all else to stderr.
    """
    from dedup import params, terminal

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

    check_out(out, if_exists.value, inputs)

    from dedup import pipeline
    from dedup.engines.local import usable_cores
    from dedup.kernels import ahead

    cores = settings.jobs or usable_cores()
    with (
        terminal.progress(stderr, "never" if quiet else progress.value, moving=not verbose) as report,
        ahead.compiling(cores, None if quiet else partial(terminal.note, stderr)),
    ):
        result = pipeline.cluster(inputs, settings, progress=report)
    result.write(out, if_exists=if_exists.value)
    if not quiet:
        terminal.columns_read(stderr, result)
    if verbose:
        terminal.stages(stderr, result)
    if as_json:
        _print_json(terminal.summary_data(result, out))
    elif not quiet:
        terminal.summary(stdout, result, out, time.perf_counter() - started)


@app.command()
def show(
    *,
    run: Run,
    any_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Of a story, a duplicate group or an article.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to show.")] = 20,
    as_json: Json = False,
    no_color: NoColor = False,
    verbose: Verbose = False,
) -> None:
    """Show the largest stories, or one story with its groups and articles."""
    from dedup import terminal
    from dedup.run import open_run

    stdout, _ = _consoles(no_color)
    result = open_run(run)
    if any_id is None:
        if as_json:
            _print_json(terminal.largest_data(result, top))
        else:
            terminal.largest(stdout, result, top)
        return
    story = result.story(any_id)
    if as_json:
        _print_json(terminal.plain(story))
    else:
        terminal.story(stdout, story, top, any_id)


@app.command("filter")
def filter_command(
    *,
    run: Run,
    out: Annotated[str, _option("File for the kept records: .parquet, .jsonl or .csv.", "FILE", "--out", "-o")],
    level: Annotated[KeptLevel, typer.Option(help="Keep one article of each.")] = KeptLevel.story,
    dropped: Annotated[str | None, _option("File for the other records.", "FILE")] = None,
    if_exists: IfExists = Exists.error,
    as_json: Json = False,
    verbose: Verbose = False,
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
    run: Run,
    gold: Annotated[str, _option("Labels: id with story or duplicate, or id_a, id_b, label.", "FILE")],
    sweep: Annotated[bool, typer.Option("--sweep", help="Score other thresholds: cluster the input again.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
    verbose: Verbose = False,
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
