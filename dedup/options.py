"""The options of all commands: their types, names and help, and what the shared ones do."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from dedup.params import DEFAULT_POLICY, DuplicateParams, ReadingParams, StoryParams

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


class Show(StrEnum):
    """When progress is shown."""

    auto = "auto"
    always = "always"
    never = "never"


def log(verbose: bool) -> bool:
    """Say more on stderr, where wanted."""
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        LOG.setLevel(logging.DEBUG)
    return verbose


def _option(text: str, metavar: str, *names: str) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, show_default=False)


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
WithText = Annotated[bool, typer.Option("--with-text", help="Write the texts too.")]
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
HowFar = Annotated[Level, typer.Option(help="How far to go: exact copies, all duplicates, or stories.")]
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
Progress = Annotated[Show, typer.Option(help="Show progress on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, and what --json asks for.")]
AnyId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Of a story, a duplicate group or an article.", show_default=False)
]
Top = Annotated[int, typer.Option(metavar="N", min=1, help="Rows to show.")]
KeptOut = Annotated[str, _option("File for the kept records: .parquet, .jsonl or .csv.", "FILE", "--out", "-o")]
KeptOf = Annotated[KeptLevel, typer.Option(help="Keep one article of each.")]
Dropped = Annotated[str | None, _option("File for the other records.", "FILE")]
Gold = Annotated[str, _option("Labels: id with story or duplicate, or id_a, id_b, label.", "FILE")]
Sweep = Annotated[bool, typer.Option("--sweep", help="Score other thresholds: cluster the input again.")]
