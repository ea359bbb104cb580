"""The page: what is shown as data in one place, and the template, style and scripts that show it."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dedup import commit
from dedup.errors import SettingsError
from dedup.filtering import check_place
from dedup.params import from_results
from dedup.remote import is_url
from dedup.report import charts, figures, sources, stories
from dedup.report.differences import pieces
from dedup.report.texts import texts_of
from dedup.report.wording import harmless, shortened, weight
from dedup.run import SKIPPED, Result
from dedup.summaries import plain

DIFFERENCES = 240  # of a page
OF_A_STORY = 4
DIFFERENCES_BYTES = 250_000
REJECTS = 20  # rejected records that are named
INPUTS = 30  # likewise files
SETTINGS = 20  # values of one setting
_VENDORED = ("vega.min.js", "vega-lite.min.js", "vega-interpreter.js")
_OWN = (
    "elements",
    "summary",
    "stories",
    "graph",
    "outlets",
    "charts",
    "manifest",
    "start",
)  # one script, in this order


def write_report(result: Result, out_file: str | Path, if_exists: str = "error") -> dict[str, Any]:
    """Write a page about a run.

    Parameters
    ----------
    result : an opened run; the texts for the differences between copies come from it or from its input.
    out_file : the page, outside of the folder of the run.
    if_exists : `error` or `overwrite`.

    Returns
    -------
    `bytes` of the page, `stories` listed, `opened` of them with their articles, and `differences` shown.

    Raises
    ------
    SettingsError
        An unknown `if_exists`, a URL, or another version of dedup, with other settings, made the run.
    OutputExistsError
        The file is there and may not be replaced, is one of the inputs, or lies in the folder of the run.
    InputError
        There is no folder for it.
    ResourceError
        It cannot be written.
    """
    if is_url(out_file):
        raise SettingsError(f"{out_file}: got a URL, wanted a local file; write the page to one, and copy that")
    file = Path(out_file)
    check_place(file, if_exists, result)
    data = facts(result)
    content = html(data)
    temporary = file.with_name(f".{file.name}.dedup-{os.getpid()}")
    try:
        with commit.write_errors(file):
            temporary.write_bytes(content)
            commit.sync(temporary)
            temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    shown = data["stories"]
    listed, opened = len(shown["rows"]), len(shown["opened"])
    return {"bytes": len(content), "stories": listed, "opened": opened, "differences": data["differences"]["shown"]}


def facts(result: Result) -> dict[str, Any]:
    """Return what the page shows, as plain data; the same run gives the same."""
    manifest = result.manifest
    params = from_results(manifest["settings"])
    rows, total = stories.listed(result)
    opened = stories.opened(result, rows)
    timeline = figures.timeline(result)
    datasets = {
        **figures.scores(result),
        "sizes": figures.sizes(result),
        "timeline": timeline["bars"],
        **figures.moments(result),
    }
    found = {
        "run": {"name": result.path.resolve().name if result.path else manifest["run_id"], "level": params.level},
        "totals": figures.totals(result),
        "relations": figures.relations(result),
        "datasets": datasets,
        "gaps": timeline["gaps"],
        "thresholds": {
            "jaccard": params.duplicates.jaccard,
            "containment": params.duplicates.containment,
            "two_alone": round(charts.two_alone(params), 2),
            "granularity": params.stories.granularity,
        },
        "charts": charts.specs(params, datasets, timeline),
        "sources": sources.copying(result),
        "stories": {"rows": rows, "total": total, "opened": opened, "most": stories.MEMBERS},
        "differences": _differences(result, opened),
        "manifest": _manifest(manifest, result.rejects),
    }
    safe: dict[str, Any] = harmless(plain(found))
    return safe


def _differences(result: Result, opened: dict[str, Any]) -> dict[str, Any]:
    """Add to the stories what their near copies changed; return how many are shown, and why some are missing."""
    wanted = []
    for story in opened.values():
        heads = {member["group"]: at for at, member in enumerate(story["members"]) if member.get("stands")}
        copies = [at for at, member in enumerate(story["members"]) if member["relation"] in ("near", "contained")]
        pairs = [(heads.get(story["members"][at]["group"], at), at) for at in copies]
        wanted += [(story, *pair) for pair in pairs if pair[0] != pair[1]][:OF_A_STORY]
    wanted = wanted[:DIFFERENCES]
    ids = {story["members"][at]["id"] for story, *both in wanted for at in both}
    texts, missing = texts_of(result, sorted(ids))
    shown = spent = 0
    for story, old, new in wanted:
        before, after = (texts.get(story["members"][at]["id"]) for at in (old, new))
        if not before or not after:
            continue
        parts, whole = pieces(before, after)
        spent += weight(parts)
        if spent > DIFFERENCES_BYTES:
            break
        story.setdefault("differences", []).append({"old": old, "new": new, "pieces": parts, "whole": whole})
        shown += 1
    return {"shown": shown, "wanted": len(wanted), "missing": shortened(missing, 300)}


def _manifest(manifest: dict[str, Any], rejects: list[dict[str, Any]]) -> dict[str, Any]:
    inputs = manifest["inputs"]
    return {
        "version": manifest["version"],
        "run_id": manifest["run_id"],
        "settings": _bounded(manifest["settings"]),
        "counts": manifest["counts"],
        "skipped": [
            {"what": SKIPPED[name], "number": number} for name, number in manifest["skipped"].items() if number
        ],
        "inputs": [
            {
                "file": shortened(file["source_file"], 200),
                "format": file["format"],
                "records": file["records"],
                "rejected": file["rejected"],
                "columns": [f"{role} = {shortened(column, 60)}" for role, column in file["columns"].items()],
            }
            for file in inputs[:INPUTS]
        ],
        "files": len(inputs),
        "rejects": [
            {
                "where": shortened(f"{one['source_file']}, " + _place(one), 200),
                "code": one["code"],
                "message": shortened(one["message"], 200),
            }
            for one in rejects[:REJECTS]
        ],
        "rejected": len(rejects),
    }


def _bounded(settings: Any) -> Any:
    """Return settings without the end of long texts and lists."""
    if isinstance(settings, dict):
        return {name: _bounded(value) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [_bounded(value) for value in settings[:SETTINGS]]
    return shortened(settings, 200) if isinstance(settings, str) else settings


def _place(reject: dict[str, Any]) -> str:
    return f"record {reject['source_row']}" if reject["line"] is None else f"line {reject['line']}"


def html(data: dict[str, Any]) -> bytes:
    """Return the page about what `facts` returned, in UTF-8."""
    files = resources.files("dedup.report")
    style = files.joinpath("page.css").read_text("utf-8")
    scripts = [files.joinpath("vendor", name).read_text("utf-8") for name in _VENDORED]
    scripts.append("\n".join(files.joinpath("script", f"{name}.js").read_text("utf-8") for name in _OWN))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    template = environment.from_string(files.joinpath("page.html").read_text("utf-8"))
    content = template.render(
        data=data,
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        style_hash=_hash(style),
        script_hashes=[_hash(script) for script in scripts],
    )
    return content.encode()


def _hash(content: str) -> str:
    """Return what a content security policy names an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
