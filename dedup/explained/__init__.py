"""The command `dedup explain`, and how it says in a terminal why two articles are together or apart."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

from dedup import options


def explain(
    *,
    ctx: options.Context,
    run: options.Run,
    a: options.ArticleA,
    b: options.ArticleB,
    jobs: options.Jobs = None,
    memory: options.Memory = None,
    tmp_dir: options.TmpDir = None,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Say why two articles are together or apart.

    Makes the run again in memory, from its input or its own text (--with-text), which takes about as long as the run
    did.
    """
    from dedup import summaries, terminal
    from dedup.explained import same_story, same_text
    from dedup.explained.page import Page
    from dedup.run import open_run

    means = options.means_in_force(ctx)
    stdout, stderr = options.consoles(no_color)
    with terminal.progress(stderr, "auto", moving=not verbose) as report:
        told = open_run(run).explain(a, b, **means, progress=report)
    if as_json:
        options.print_json(summaries.plain(told))
        return
    page = Page(stdout)
    same_text.show(page, told)
    same_story.show(page, told)
