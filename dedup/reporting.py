"""The command that writes a page to look at: `dedup report`."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

from dedup import options


def report(
    *,
    run: options.Run,
    out: options.ReportOut = "report.html",
    if_exists: options.IfExists = options.Exists.error,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Write one HTML page about a run, to look at.

    The page holds all it needs, opens without a network, and stays under 3 MB.
    """
    from dedup.report import write_report
    from dedup.run import open_run
    from dedup.terminal import note

    found = write_report(open_run(run), out, if_exists.value)
    if as_json:
        options.print_json({"out": out, **found})
        return
    shown = f"{found['stories']:,} stories listed, {found['opened']:,} of them with their articles"
    stdout, _ = options.consoles(no_color=True)
    note(stdout, f"{out}: {found['bytes'] / 1e6:.1f} MB, {shown}; open it in a browser")
