"""The commands that learn from a person: `dedup review` and `dedup calibrate`."""

# ruff: noqa: PLC0415 - as in cli.py

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedup import options

if TYPE_CHECKING:
    from rich.console import Console

    from dedup.review import Question

_WHOLE = 1_000_000  # lines
_ABOUT = (
    "Same text: one is a copy of the other, at most edited or cut. Same story: both",
    "report one event, in other words. Each answer is saved at once.",
)
_KEYS = "t same text  s same story  d different  k skip  m more text  b back  q quit: "


def review(
    *,
    run: options.Run,
    out: options.LabelsOut = "labels.csv",
    pairs: options.PairsAsked = 100,
    level: options.AskedLevel = None,
    seed: options.Seed = 1,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Judge pairs of articles of which a run was least sure.

    Shows two articles side by side and takes t (same text), s (same story), d (different), k (skip), b (back) or q
    (quit): single keys in a terminal, else lines of standard input. What is judged is not asked again.
    """
    from dedup import labels, sampling, terminal
    from dedup import review as session
    from dedup.run import open_run

    result = open_run(run)
    levels = sampling.LEVELS if level is None else (level.value,)
    found = sampling.pairs_of(result, seed)
    asked = sampling.draw(found, pairs, seed, levels)
    stdout, _ = options.consoles(no_color)
    if not len(asked):
        terminal.note(stdout, f"{run}: no pair of articles is like enough to ask about")
        return
    with labels.opened(Path(out)) as file:
        for line in _ABOUT:
            terminal.note(stdout, line)
        counts = session.review(result, file, asked, lambda question: _ask(question, stdout))
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in labels.VERDICTS)
    terminal.note(stdout, "")
    terminal.note(stdout, f"{out}: {said}; {counts['left']} pairs left")
    if counts["left"]:
        terminal.note(stdout, f"  go on later: dedup review {shlex.quote(run)} -o {shlex.quote(out)}")
    terminal.note(stdout, f"  then: dedup calibrate {shlex.quote(run)} --labels {shlex.quote(out)}")


def _ask(question: Question, to: Console) -> str:
    """Show a pair and return the key that answers it; at the end of the input, quit."""
    from dedup import review as session
    from dedup import terminal

    single = sys.stdin.isatty() and to.is_terminal
    height = to.height if single else 24
    if single and question.number > 1:
        to.clear()
    terminal.note(to, "")
    for line in session.page(question, to.width, height - (3 if question.number == 1 else 0)):
        terminal.note(to, line)
    while True:
        to.print(_KEYS, end="")
        answer = options.key() if single else sys.stdin.readline()
        if not single and not answer:
            terminal.note(to, "")
            return session.QUIT
        answer = answer.strip().lower()
        to.print(answer)
        if answer in (*session.KEYS, session.BACK, session.QUIT):
            return answer
        if answer == session.MORE:
            for line in session.page(question, to.width, _WHOLE):
                terminal.note(to, line)
            continue
        terminal.note(to, "wanted t, s, d, k, m, b or q")


def calibrate(
    *,
    run: options.Run,
    labels: options.LabelsIn,
    out: options.TomlOut = None,
    if_exists: options.IfExists = options.Exists.error,
    seed: options.Seed = 1,
    as_json: options.Json = False,
    no_color: options.NoColor = False,
    verbose: options.Verbose = False,
) -> None:
    """Propose settings that fit a person's verdicts.

    Clusters the input of the run again at other thresholds. Where verdicts are too few, or the settings in force are as
    good as any, nothing is proposed and nothing written.
    """
    from dedup import terminal
    from dedup.calibration import calibrate as fit
    from dedup.calibration import proposal
    from dedup.errors import OutputExistsError
    from dedup.gold import read_gold
    from dedup.labels import is_verdicts, read_labels
    from dedup.run import open_run

    if out and Path(out).exists() and if_exists == options.Exists.error:
        raise OutputExistsError(f"{out}: is there already; name another file, or replace it with --if-exists overwrite")
    stdout, stderr = options.consoles(no_color)
    verdicts = read_labels(labels) if is_verdicts(labels) else read_gold(labels)
    with terminal.progress(stderr, "auto", moving=not verbose) as report:
        found = fit(open_run(run), verdicts, seed=seed, progress=report)
    changed = proposal(found)
    lines = [f"{name} = {value!r}" for name, value in changed.items()]
    if out and lines:
        from dedup import commit

        with commit.write_errors(out):
            head = f"# proposed by dedup calibrate from {sum(entry['pairs'] for entry in found.values())} verdicts"
            Path(out).write_text("\n".join([head, *lines, ""]), "utf-8")
    if as_json:
        options.print_json({"levels": found, "proposed": changed, "out": out if lines else None})
        return
    for level, entry in found.items():
        if entry["pairs"] or entry["unknown"]:
            _tell(stdout, level, entry)
    if not lines:
        terminal.note(stdout, "nothing is proposed" + (f"; {out} was not written" if out else ""))
        return
    terminal.note(stdout, f"proposed{f', written to {out}' if out else ''}:")
    for line in lines:
        terminal.note(stdout, f"  {line}")
    if out:
        terminal.note(stdout, f"next: dedup cluster … --config {shlex.quote(out)}")


def _tell(to: Console, level: str, entry: dict[str, Any]) -> None:
    """Print what was found at a level."""
    from dedup import terminal

    stray = f", {entry['unknown']:,} on articles that are not in the run" if entry["unknown"] else ""
    counts = f"{entry['pairs']:,} verdicts ({entry['same']:,} same, {entry['different']:,} different)"
    terminal.note(to, f"{level} level: {counts}{stray}")
    if entry["now"]:
        now, then = entry["now"], entry["proposed"]
        names = [*(name.replace("_", " ") for name in now["settings"]), "precision", "recall", "F1"]
        columns = {"": [f"  {name}" for name in names], "now": _cells(now)}
        terminal.table(to, columns | ({"proposed": _cells(then)} if then else {}))
    if entry["needed"]:
        more = " and ".join(f"{count} {kind}" for kind, count in entry["needed"].items())
        terminal.note(to, f"  too few to propose anything: wanted {more} more; go on with")
        terminal.note(to, f"  dedup review --level {level} and a larger --pairs")
    elif entry["now"] and not entry["proposed"]:
        terminal.note(to, "  the settings in force are as good as any, as far as these verdicts can tell")
    to.print()


def _cells(found: dict[str, Any]) -> list[str]:
    scores = [_interval(found[name]) for name in ("precision", "recall", "f1")]
    return [*(f"{value:g}" for value in found["settings"].values()), *scores]


def _interval(values: list[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)
