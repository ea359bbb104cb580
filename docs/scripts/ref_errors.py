"""docs/reference/errors.md: the tree of exceptions and the exit codes, from dedup/errors.py and docs/jobs.md."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import markdown

from dedup import errors

_INTRO = """# Errors and exit codes

Every error that `dedup` raises on purpose is a `DedupError`; each branch of the tree has one exit code of the
command. A message says place, what was got, what was wanted, and the remedy. Anything else that is raised is a bug,
and the command leaves with 1.
"""
_USAGE = """```python
import dedup

try:
    dedup.cluster("seeds", story_granularity=99)
except dedup.SettingsError as error:
    print(error.exit_code, error)  # 2 story-granularity: got 99, wanted a number from 0.001 to 10
```
"""
_JOBS = Path(__file__).parents[1] / "jobs.md"


def page() -> str:
    """Return the page."""
    kinds = [errors.DedupError, *sorted(errors.DedupError.__subclasses__(), key=lambda kind: kind.exit_code)]
    tree = (inspect.getdoc(errors) or "").split("\n\n")[1]
    rows = [(markdown.code(f"dedup.{kind.__name__}"), str(kind.exit_code), kind.__doc__ or "") for kind in kinds]
    parts = [_INTRO, f"```text\n{tree}\n```\n", markdown.table(("exception", "code", "raised when"), rows), _USAGE]
    parts.append("## Exit codes\n\nWhat a scheduler should do with each; [jobs](../jobs.md) has recipes.\n")
    parts.append(_exit_codes())
    return "\n".join(parts)


def _exit_codes() -> str:
    found = re.search(r"^\| exit code .*?(?=\n\n)", _JOBS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError("docs/jobs.md: got no table of exit codes, wanted one that begins with '| exit code'")
    return found.group() + "\n"
