"""The options of all commands: their types, names and help, and what the shared ones do."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dedup import signals
from dedup.params import DEFAULT_POLICY, SETTINGS, DuplicateParams, ReadingParams, StoryParams

if TYPE_CHECKING:
    from rich.console import Console

    from dedup.settings import Setting

LOG = logging.getLogger("dedup")
_SAME, _STORY = DuplicateParams(), StoryParams()


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


class RunExists(StrEnum):
    """What to do where a run is there already."""

    error = "error"
    skip = "skip"
    overwrite = "overwrite"


class EngineName(StrEnum):
    """Where a job runs."""

    local = "local"
    spark = "spark"


class Show(StrEnum):
    """When progress is shown."""

    auto = "auto"
    always = "always"
    never = "never"


class LogFormat(StrEnum):
    """How lines on stderr are written."""

    text = "text"
    json = "json"


def log(verbose: bool) -> bool:
    """Say more on stderr, where wanted."""
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        LOG.setLevel(logging.DEBUG)
    return verbose


def in_force(ctx: typer.Context, config: str | None) -> dict[str, Setting]:
    """Return the settings of a command: its flags over `DEDUP_*`, over `dedup.toml` or the file `config`."""
    from dedup import settings  # noqa: PLC0415 - tomllib is not for --help

    flags = {name: ctx.params.get(name, ctx.params.get(f"{name}_col")) for name in SETTINGS}
    for name, value in flags.items():
        if isinstance(value, list | tuple):  # none where a repeatable flag was not given
            flags[name] = list(value) or None
        elif isinstance(value, StrEnum):
            flags[name] = value.value
    if flags["keep_cols"]:
        flags["keep_cols"] = [name for names in flags["keep_cols"] for name in names.split(",") if name]
    return settings.layered(flags, config)


def means_in_force(ctx: typer.Context) -> dict[str, Any]:
    """Return with what a run is to be made again: jobs, memory and tmp_dir, in layers as those of `in_force`."""
    found = in_force(ctx, None)
    return {name: found[name].value for name in ("jobs", "memory", "tmp_dir")}


def with_settings_of(other: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command those options of another that are settings, after its own."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        theirs = inspect.signature(other, eval_str=True).parameters.values()
        more = [one for one in theirs if one.name in SETTINGS or one.name.removesuffix("_col") in SETTINGS]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        parameters = [*own.parameters.values(), *more]
        called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated


def consoles(no_color: bool) -> tuple[Console, Console]:
    """Return the consoles on stdout and stderr."""
    from dedup.terminal import console  # noqa: PLC0415 - rich is not for --help

    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return console(sys.stdout, plain), console(sys.stderr, plain)


def named(inputs: list[str] | None, files_from: str | None) -> list[str]:
    """Return the inputs that a command line names, and those that a file lists."""
    if not inputs and files_from is None:
        raise typer.BadParameter("no INPUT; name files or folders, or --files-from FILE")
    if files_from is None:
        return [*(inputs or [])]
    from dedup.reading import listed  # noqa: PLC0415 - not for --help

    return [*(inputs or []), *listed(files_from)]


def print_json(value: Any) -> None:
    """Print what --json asks for, unless a signal has ended the command."""
    signals.heed()
    from dedup.terminal import clean_json  # noqa: PLC0415 - rich is loaded where there is something to say

    typer.echo(clean_json(json.dumps(value, ensure_ascii=False)))


def _option(text: str, metavar: str, *names: str) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, show_default=False)


Context = typer.Context

# Of several commands
Run = Annotated[str, typer.Argument(metavar="RUN", help="The folder that `dedup cluster -o` made.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, as the last line, and no tables.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR and TERM=dumb do the same.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", callback=log, help="Say more on stderr; a traceback where there is a bug.")
]
IfExists = Annotated[Exists, typer.Option("--if-exists", help="Where the output is there already.")]

# Of `cluster`
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="Files, folders, quoted globs, or - for standard input.", show_default=False),
]
FilesFrom = Annotated[
    str | None, _option("Read the files that this one names, one a line or NUL-separated; - is stdin.", "FILE")
]
Out = Annotated[str, _option("Folder to make, with the results in it.", "OUT", "--out", "-o")]
WithText = Annotated[
    bool | None, typer.Option("--with-text/--without-text", help="Write the texts too.", show_default=False)
]
KeepCols = Annotated[list[str] | None, _option("Input columns to keep; commas, or repeat it.", "COL,COL")]
TextCol = Annotated[str | None, _option("Column of the text.", "COL")]
TitleCol = Annotated[str | None, _option("Column of the title.", "COL")]
IdCol = Annotated[str | None, _option("Column of the id.", "COL")]
DateCol = Annotated[str | None, _option("Column of the date.", "COL")]
SourceCol = Annotated[str | None, _option("Column of the outlet.", "COL")]
UrlCol = Annotated[str | None, _option("Column of the URL.", "COL")]
LangCol = Annotated[str | None, _option("Column of the language.", "COL")]
Include = Annotated[list[str] | None, _option("Read only files like this in folders; repeatable.", "GLOB")]
Exclude = Annotated[list[str] | None, _option("Pass by files like this; repeatable.", "GLOB")]
Limit = Annotated[int | None, _option("Read the first N records only.", "N")]
HowFar = Annotated[
    Level | None,
    typer.Option(help="How far to go: exact copies, all duplicates, or stories (story).", show_default=False),
]
DuplicateThreshold = Annotated[
    float | None, _option(f"Share of the wording that copies have in common ({_SAME.jaccard}).", "SHARE")
]
ContainmentThreshold = Annotated[
    float | None, _option(f"Share of a text that is found in a longer one ({_SAME.containment}).", "SHARE")
]
StoryGranularity = Annotated[float | None, _option(f"Larger gives smaller stories ({_STORY.granularity}).", "NUMBER")]
TimeScale = Annotated[float | None, _option(f"Days after which likeness counts less ({_STORY.time_scale:g}).", "DAYS")]
Canonical = Annotated[
    str | None,
    _option(f"Who stands for a story; each word is asked where those before tie ({DEFAULT_POLICY}).", "POLICY"),
]
MaxRejects = Annotated[
    float | None, _option("Bad records to bear: a number, or a share below 1 (1 %, at least 10).", "N")
]
MaxDocChars = Annotated[
    int | None, _option(f"Match longer texts on their first N characters ({ReadingParams().max_doc_chars:,}).", "N")
]
Jobs = Annotated[int | None, _option("Threads (all cores).", "N", "--jobs", "-j")]
Memory = Annotated[
    str | None, _option("Memory to work in, such as 2GB; the rest goes to files (half of all, at most 4GiB).", "SIZE")
]
TmpDir = Annotated[str | None, _option("Folder of these files (the system's).", "FOLDER")]
IfRunExists = Annotated[
    RunExists,
    typer.Option("--if-exists", help="Where a run is there already; skip: unless inputs or settings changed."),
]
LockTimeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for another run that writes OUT.")
]
Progress = Annotated[Show, typer.Option(help="Show progress on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, and what --json asks for.")]
AnyId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Of a story, a duplicate group or an article.", show_default=False)
]
Top = Annotated[int, typer.Option(metavar="N", min=1, help="Rows to show.")]
KeptOut = Annotated[
    str, _option("File for the kept records: .parquet, .jsonl or .csv; or s3://…", "FILE", "--out", "-o")
]
KeptOf = Annotated[KeptLevel, typer.Option(help="Keep one article of each.")]
Dropped = Annotated[str | None, _option("File for the other records.", "FILE")]
Gold = Annotated[str, _option("Labels: id with story or duplicate, or id_a, id_b, label.", "FILE")]
Sweep = Annotated[bool, typer.Option("--sweep", help="Score other thresholds: cluster the input again.")]

# Of jobs
Config = Annotated[str | None, _option("Settings in TOML, in place of dedup.toml in the working folder.", "FILE")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be read, as `dedup inspect` does; write nothing.")
]
LogsAs = Annotated[LogFormat, typer.Option("--log-format", help="Lines on stderr for people, or one JSON object each.")]
MetricsFile = Annotated[str | None, _option("File of figures for Prometheus, written however the job ends.", "FILE")]
TmpDirToo = Annotated[
    str | None,
    typer.Option(
        "--tmp-dir",
        metavar="FOLDER",
        envvar="DEDUP_TMP_DIR",
        show_default=False,
        show_envvar=False,
        help="Folder for temporary files (the system's).",
    ),
]
Toml = Annotated[bool, typer.Option("--toml", help="Print the settings as a dedup.toml.")]

# Of `report`
ReportOut = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="The page, outside of RUN.")]

# Of what a person decides
OverridesFile = Annotated[str | None, _option("Rules in TOML: same, different, canonical, ignore.", "FILE")]

# Of what learns from a person
LabelsOut = Annotated[str, _option("File of verdicts, to go on with (labels.csv).", "FILE", "--out", "-o")]
PairsAsked = Annotated[int, typer.Option("--pairs", metavar="N", min=1, help="Pairs to ask about.")]
AskedLevel = Annotated[
    KeptLevel | None, typer.Option("--level", help="Ask about this level only (both).", show_default=False)
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of what is drawn.")]
LabelsIn = Annotated[str, _option("Verdicts of `dedup review`; or id with story or duplicate.", "FILE", "--labels")]
TomlOut = Annotated[str | None, _option("File for the proposed settings, in TOML.", "FILE", "--out", "-o")]


def key() -> str:
    """Wait for a key of the terminal; the end of the input is q."""
    try:
        return str(typer.getchar())
    except EOFError:
        return "q"


# Of `explain`
_ANY = "An article, by its id; for a story or a group, the one that stands for it."
ArticleA = Annotated[str, typer.Argument(metavar="A", help=_ANY, show_default=False)]
ArticleB = Annotated[str, typer.Argument(metavar="B", help="The other article, likewise.", show_default=False)]

# Of jobs on more than one machine
EngineIs = Annotated[EngineName, typer.Option("--engine", help="Where the job runs: here, or on a Spark session.")]
Checkpoint = Annotated[
    str | None,
    _option("Folder that all machines of a Spark session reach; a rerun goes on from what is there.", "FOLDER"),
]
ExplainPlan = Annotated[
    bool, typer.Option("--explain-plan", help="Show the steps of a job on Spark, with what they send, and stop.")
]
