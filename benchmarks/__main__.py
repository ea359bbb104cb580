"""Speed and memory: python -m benchmarks {signatures,duplicates,cosine,…,all,report} [options]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import corpus, from_text, kernels, measuring, report, vectors, whole
from benchmarks.setting import Setting

RESULTS = Path(__file__).parent / "results"
BENCHMARKS: dict[str, Callable[[Setting], list[dict[str, Any]]]] = {
    "signatures": from_text.signatures,
    "duplicates": from_text.duplicates,
    "cosine": vectors.cosine,
    "tfidf": from_text.tfidf,
    "linkage": vectors.linkage,
    "kernels": kernels.kernels,
    "job": whole.job,
    "growth": whole.growth,
    "memory": whole.memory,
    "startup": whole.startup,
}
# Articles unless told: as many as the peers are waited for.
SIZES = {"signatures": 10_000, "duplicates": 10_000, "cosine": 5_000, "tfidf": 10_000, "kernels": 5_000, "job": 20_000}
SMOKE: dict[str, Any] = {
    "articles": 200,
    "small": 60,
    "runs": 1,
    "sizes": (100, 200),
    "pairs": 2000,
    "threads": (1,),
    "floors": (0.3,),
    "cold": False,
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; write the record where told, and print the table."""
    options = parse(arguments)
    if options.benchmark == "report":
        report.write(options.out)
        return 0
    asked = list(BENCHMARKS) if options.benchmark == "all" else [options.benchmark]
    sections = []
    with tempfile.TemporaryDirectory(dir=options.tmp_dir) as folder:
        setting = _setting(options, Path(folder))
        for name in asked:
            print(f"{name} …", file=sys.stderr, flush=True)
            setting.articles = _articles(options, name)
            sections += BENCHMARKS[name](setting)
    record = {"machine": measuring.machine(), "sections": sections}
    for section in sections:
        section["facts"]["measured"] = record["machine"]["date"][:10]
    print(report.markdown(record))
    if options.out:
        report.save(options.out, record)
    own = [row for section in sections for row in section["rows"] if row["tool"] == measuring.OURS]
    return int(not all(row["counts"] for row in own))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "all", "report"])
    parser.add_argument("--corpus", type=Path, default=corpus.SEEDS, help="articles to resample: a file or folder")
    parser.add_argument(
        "--articles",
        type=int,
        help="size of the corpus; default: one for each benchmark; job takes a --corpus as it is",
    )
    parser.add_argument("--sizes", type=_numbers, help="sizes of growth and memory, such as 10000,100000,1000000")
    parser.add_argument(
        "--floors", type=_floats, help="least cosines of all pairs; default: .5,.3,.1 and that of stories"
    )
    parser.add_argument(
        "--budget", type=float, help="seconds for the peers of one floor of a large cosine; default: 40"
    )
    parser.add_argument("--pairs", type=int, help="of linkage, 11,000 documents for each million; default: a million")
    parser.add_argument("--jaccard", type=float, default=0.7, help="from where two texts are duplicates")
    parser.add_argument("--dates-over", type=float, default=365, metavar="DAYS", help="span of the dates")
    parser.add_argument("--undated", action="store_true", help="no dates")
    parser.add_argument("--runs", type=int, help="of each tool, in turn; default: 3")
    parser.add_argument("--threads", type=_numbers, help="such as 1,2, the default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--instructions", action="store_true", help="count instructions of the kernels by callgrind")
    parser.add_argument("--smoke", action="store_true", help="smallest sizes, one run: whether all works")
    parser.add_argument("--tmp-dir", type=Path, help="where corpora and runs are written and removed")
    parser.add_argument("--out", type=Path, help=f"folder of record, table and plots; of `report`: {RESULTS.name}")
    options = parser.parse_args(arguments)
    if options.benchmark == "report":
        options.out = options.out or RESULTS
    return options


def _articles(options: argparse.Namespace, name: str) -> int:
    """Return the size of the corpus; 0 to take the articles given as they are, which `job` alone can."""
    as_given = name == options.benchmark == "job" and options.corpus != corpus.SEEDS
    default = SMOKE["articles"] if options.smoke else 0 if as_given else SIZES.get(name, 10_000)
    return int(default if options.articles is None else options.articles)


def _setting(options: argparse.Namespace, folder: Path) -> Setting:
    given = {name: getattr(options, name) for name in ("sizes", "pairs", "runs", "threads", "floors", "budget")}
    values = {**(SMOKE if options.smoke else {}), **{name: value for name, value in given.items() if value is not None}}
    return Setting(
        **{**values, "folder": folder, "source": options.corpus, "seed": options.seed},
        days=None if options.undated else options.dates_over,
        jaccard=options.jaccard,
        instructions=options.instructions,
    )


def _numbers(told: str) -> tuple[int, ...]:
    return tuple(int(part.replace("_", "")) for part in told.split(","))


def _floats(told: str) -> tuple[float, ...]:
    return tuple(float(part) for part in told.split(","))


if __name__ == "__main__":
    sys.exit(main())
