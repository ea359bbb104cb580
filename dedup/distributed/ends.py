"""What a result says of documents in other parts: those that stand for them, and the other ends of pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup import pairing, schema
from dedup.distributed.canonicals import STORIES
from dedup.distributed.flow import Message, Tables, ask, deal, ends, part_of_place, reply, rows
from dedup.tables import stamps

_Int = npt.NDArray[np.int64]


def linked(tables: Tables) -> pa.Table:
    """Return the links of a part, and those refused for what the texts are, with the reason why one may not hold."""
    links = rows(tables, "links", schema.LINKS).select(schema.LINKS.names)
    links = links.append_column("reason", pa.repeat(pa.scalar(pairing.TREE_CUT), len(links)))
    return pa.concat_tables([links, rows(tables, "unlike", links.schema).select(links.column_names)])


def send(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Keep what others ask of a document, ask for those that this part names, and tell representatives of their group.

    Inputs: documents, copies, verified, links, unlike. Streams: facts, wanted, representatives, units, linked, members.
    """
    if "copies" not in tables:
        return
    documents, copies = tables["documents"], tables["copies"]
    position, unit, representative = (copies[name].to_numpy() for name in ("position", "unit", "representative"))
    facts = copies.select(["position", "unit", "representative", "contained"])
    for name in ("doc_id", "published_at", "content_key"):
        facts = facts.append_column(documents.schema.field(name), documents[name])
    yield Message("facts", part, facts)
    verified = [np.concatenate(ends(tables["verified"]))] if "verified" in tables else []
    links = np.concatenate(ends(linked(tables)))
    yield from ask("wanted", part, np.concatenate((representative, unit, links, *verified)), starts)
    yield from ask("representatives", part, representative, starts)
    yield from ask("units", part, unit[representative != position], starts)
    yield from ask("linked", part, links, starts)
    yield from _members(facts, starts)


def _members(facts: pa.Table, starts: _Int) -> Iterator[Message]:
    members = facts.select(["representative", "position", "unit", "content_key"])
    members = members.append_column("stamp", pa.array(stamps(facts["published_at"])))
    yield from deal("members", members, part_of_place(members["representative"].to_numpy(), starts))


def answer(part: int, tables: Tables, *, starts: _Int) -> Iterator[Message]:
    """Tell who asked what is known of a document, with the canonical article of its story if it is a representative.

    Inputs: facts, chosen, wanted. Stream: known.
    """
    facts = tables.get("facts")
    if facts is None:
        return
    chosen = rows(tables, "chosen", STORIES)
    canonical = np.full(len(facts), -1)
    canonical[chosen["position"].to_numpy() - starts[part]] = chosen["canonical"].to_numpy()
    known = facts.append_column("canonical", pa.array(canonical))
    yield from reply("known", tables.get("wanted"), known, facts["position"].to_numpy())
