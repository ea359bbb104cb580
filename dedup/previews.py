"""The commands that show and write nothing: `dedup inspect` and `dedup config`."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dedup import options

if TYPE_CHECKING:
    from rich.console import Console

    from dedup.params import Params

_FILES_SHOWN = 10
# What stands for no value, where that is not "not set".
_UNSET = {
    "include": "every known ending",
    "limit": "all records",
    "max_rejects": "1 %, at least 10",
    **dict.fromkeys(("text", "title", "id", "date", "source", "url", "lang"), "found by its name"),
}


def inspect(
    *,
    ctx: options.Context,
    inputs: options.Inputs = None,
    files_from: options.FilesFrom = None,
    config: options.Config = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what would be read: files, columns, rows, counts, memory.

    Reads the start of large files only, and writes nothing.
    """
    from dedup import settings

    params = settings.params_of(options.in_force(ctx, config))
    stdout, _ = options.consoles(no_color)
    show_input(options.named(inputs, files_from), params, as_json, stdout)


def show_job(inputs: list[str], params: Params, as_json: bool, to: Console, *, plan: bool, elsewhere: bool) -> None:
    """Print what a job would read, or its stages on Spark; raises InputError for inputs that only Spark can look at."""
    if elsewhere:
        check_visible(inputs)
    show = show_plan if plan else show_input
    show(inputs, params, as_json, to)


def show_input(inputs: list[str], params: Params, as_json: bool, to: Console) -> None:
    """Inspect inputs and print what was found."""
    from dedup import inspection, terminal

    found = inspection.inspect(inputs, params)
    if as_json:
        options.print_json(found)
        return
    about = "" if found["exact"] else "about "
    formats = ", ".join(f"{number:,} {name}" for name, number in found["formats"].items())
    terminal.note(to, f"{'files':<10}{found['files']:>13,}   {_size(found['bytes'])}: {formats}")
    terminal.note(to, f"{'records':<10}{about + format(found['records'], ','):>13}   {found['sampled']:,} of them read")
    terminal.note(to, f"{'rejects':<10}{found['rejected']:>13,}   so far")
    for reject in found["rejects"][:3]:
        where = f"record {reject['source_row']}" if reject["line"] is None else f"line {reject['line']}"
        terminal.note(to, f"  {reject['source_file']} {where}: {reject['message']}")
    for name, number in found["counts"].items():
        if number:
            terminal.note(to, f"{name.replace('_', ' ')}: {number:,}")
    need = found["memory"]
    threads = f"{need['threads']} thread{'s' * (need['threads'] > 1)}"
    terminal.note(
        to, f"{'memory':<10}{'about ' + _size(need['bytes']):>13}   with {threads}, --memory {_size(need['limit'])}"
    )
    terminal.columns_read(to, found["inputs"])
    to.print()
    terminal.table(to, _files(found["inputs"]), "bold")
    to.print()
    terminal.table(to, _sample(found["rows"]), "bold")


def show_counts(out: str, manifest: dict[str, Any], as_json: bool, quiet: bool, to: Console) -> None:
    """Say what a run holds that other machines wrote."""
    if as_json:
        told = {"out": out, "run_id": manifest["run_id"], "counts": manifest["counts"], "skipped": manifest["skipped"]}
        options.print_json({"status": "done", "exit_code": 0, **told})
    elif not quiet:
        from dedup import terminal

        counts = manifest["counts"]
        terminal.note(
            to,
            f"{counts['documents']:,} articles: {counts['duplicates']:,} copies, {counts['stories']:,} stories of "
            f"{counts['in_stories']:,}; written to {out}",
        )


def check_visible(inputs: list[str]) -> None:
    """Refuse inputs that only Spark can look at; raises InputError."""
    from dedup.errors import InputError
    from dedup.remote import is_url
    from dedup.remote.urls import SCHEMES

    for path in inputs:
        scheme = path.partition("://")[0]
        if is_url(path) and scheme.lower() not in SCHEMES:
            raise InputError(
                f"{path}: got a URL that only Spark reads, wanted paths or {', '.join(f'{s}://' for s in SCHEMES)} to "
                "look at before a job; copy some of these files to a folder, and name that"
            )


def show_plan(inputs: list[str], params: Params, as_json: bool, to: Console) -> None:
    """Foretell the stages of a job on Spark and print them."""
    from dedup import inspection, terminal
    from dedup.distributed import plan

    found = inspection.inspect(inputs, params)
    foretold = plan.estimate(found["records"], found["bytes"], found["text_bytes"], params.level)
    if as_json:
        options.print_json(foretold)
        return
    about = "" if found["exact"] else "about "
    terminal.note(to, f"{'records':<10}{about + format(foretold['documents'], ','):>13}   {_size(found['bytes'])}")
    print_plan(foretold, to)


def print_plan(foretold: dict[str, Any], to: Console) -> None:
    """Print the parts and stages of a job that `distributed.plan.estimate` foretold."""
    from dedup import terminal

    terminal.note(
        to,
        f"{'parts':<10}{foretold['parts']:>13,}   of about {foretold['documents_per_part']:,} documents; "
        f"a task takes about {_size(foretold['task_bytes'])}",
    )
    stages = foretold["stages"]
    columns = {
        "stage": [stage["stage"] for stage in stages],
        "steps": [str(stage["steps"]) for stage in stages],
        "rows": [f"{float(format(stage['rows'], '.3g')):,.0f}" for stage in stages],
        "bytes": [_size(stage["bytes"]) for stage in stages],
        "sends": [stage["sends"] for stage in stages],
    }
    to.print()
    terminal.table(to, columns, "bold")


def _files(inputs: list[dict[str, Any]]) -> dict[str, list[str]]:
    shown = inputs[:_FILES_SHOWN]
    more = [] if len(shown) == len(inputs) else [f"and {len(inputs) - len(shown):,} more; see them with --json"]
    return {
        "format": [entry["format"] or "unknown" for entry in shown] + [""] * len(more),
        "records": [("" if entry["exact"] else "~") + f"{entry['records']:,}" for entry in shown] + [""] * len(more),
        "file": [": ".join(filter(None, (entry["source_file"], entry["refused"]))) for entry in shown] + more,
    }


def _sample(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        "id": [row["doc_id"][:20] for row in rows],
        "date": [(row["published_at"] or "no date")[:10] for row in rows],
        "chars": [f"{row['text_chars']:,}" for row in rows],
        "title or text": [row["title"] or row["text"] or "(empty)" for row in rows],
    }


def _size(number: float) -> str:
    """Return bytes as people say them, in powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.2f} GB" if number < 1000 else f"{number / 1000:,.1f} TB"


def config(
    *,
    ctx: options.Context,
    config: options.Config = None,
    as_toml: options.Toml = False,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the settings in force, and where each came from.

    Flags win over DEDUP_* variables, these over dedup.toml, this over defaults.
    """
    from dedup import recall, settings

    found = options.in_force(ctx, config)
    params = settings.params_of(found)
    if as_toml:
        print(settings.as_toml(found), end="")
        return
    values = {name: _resolved(name, one.value) for name, one in found.items()}
    bands = recall.curve(params.duplicates)
    if as_json:
        origins = {name: {"value": values[name], "from": one.origin} for name, one in found.items()}
        options.print_json({"settings": origins, **bands})
        return
    from dedup import terminal

    stdout, _ = options.consoles(no_color)
    table = {
        "setting": list(found),
        "from": [one.origin for one in found.values()],
        "value": [_shown(name, value) for name, value in values.items()],
    }
    terminal.table(stdout, table)
    stdout.print()
    shape = f"{bands['bands']} bands of {bands['rows']} rows"
    terminal.note(stdout, f"texts that share this much of their wording meet in pass 1 ({shape}):")
    points = [point for point in bands["curve"] if round(point["jaccard"] * 20) % 2 == 0]
    for label, key in (("wording", "jaccard"), ("recall", "probability")):
        terminal.note(stdout, f"  {label:<9}" + "".join(f"{point[key]:>6.3f}" for point in points))
    terminal.note(stdout, "what bands miss above the thresholds, a prefix join finds")


def _resolved(name: str, value: Any) -> Any:
    """Return the value that a run finds out for itself where none is set."""
    from dedup.engines.local import usable_cores
    from dedup.params import parse_size
    from dedup.spill import Spill

    if name == "jobs":
        return value or usable_cores()
    if name == "memory":
        return Spill(memory=None if value is None else parse_size(value)).memory
    return Spill(value).folder if name == "tmp_dir" else value


def _shown(name: str, value: Any) -> str:
    if name == "memory":
        return _size(value)
    if value is None or value == []:
        return _UNSET.get(name, "none")
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)
