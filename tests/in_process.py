"""Supersteps in this process, with every message written and read as an engine does it: the twin of other engines."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pyarrow as pa

from dedup.distributed import flow
from dedup.distributed.flow import Function


class InProcess:
    """Runs steps one part after the other, in an order that must not matter.

    parts : number of parts
    sent : bytes of all messages, by step
    """

    def __init__(self, parts: int, backwards: bool = False) -> None:
        self.parts = parts
        self.backwards = backwards
        self.sent: dict[str, int] = {}

    def step(
        self, name: str, function: Function, /, **inputs: dict[int, pa.Table]
    ) -> Mapping[str, dict[int, pa.Table]]:
        assert name not in self.sent, f"step {name} ran twice"
        function = pickle.loads(pickle.dumps(function))
        got: defaultdict[str, defaultdict[int, list[tuple[int, pa.Table]]]] = defaultdict(lambda: defaultdict(list))
        self.sent[name] = 0
        for part in sorted({part for tables in inputs.values() for part in tables}, reverse=self.backwards):
            has = {key: tables[part] for key, tables in inputs.items() if part in tables}
            for stream, target, rows in function(part, has):
                assert 0 <= target < self.parts, f"{name}: {stream} for part {target} of {self.parts}"
                assert isinstance(rows, pa.Table)
                if len(rows):
                    sink = pa.BufferOutputStream()
                    with pa.ipc.new_stream(sink, rows.schema) as writer:
                        writer.write_table(rows)
                    payload = sink.getvalue()
                    self.sent[name] += payload.size
                    got[stream][target].append((part, pa.ipc.open_stream(payload).read_all()))
        return defaultdict(
            dict,
            {
                stream: {
                    target: pa.concat_tables([table for _, table in sorted(sent, key=lambda pair: pair[0])])
                    for target, sent in targets.items()
                }
                for stream, targets in got.items()
            },
        )

    def blocks(self, dataset: dict[int, pa.Table]) -> Iterator[pa.Table]:
        yield from dataset.values()

    def gather(self, dataset: dict[int, pa.Table]) -> dict[int, pa.Table]:
        flow.check_gathered(sum(table.nbytes for table in dataset.values()), "gather")
        return dict(sorted(dataset.items()))
