"""Six invented stories of three articles each, for the tests of the quality bench."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from benchmarks.quality import sets, timelines

START = datetime(2021, 5, 1, 12, tzinfo=UTC)
TOPICS = (
    "otter sanctuary flooded after the weir at Lindmoor burst and keepers carried cubs uphill through the night",
    "violin maker Teodor Ansk won the guild medal for an instrument built from a sunken oak of the Brey estuary",
    "parliament in Sarvik rejected the lighthouse levy by nine votes as coastal deputies walked out of the chamber",
    "cyclist Mirela Dunn broke the hour record on the wooden track of Hollen with a gear larger than any before",
    "bakers of Quenby ended their strike when mills agreed to publish the price of rye every second Thursday",
    "astronomers at Pell Ridge measured dust around a dim star and doubt that planets can form in its cold ring",
)
VOICES = (
    "{} officials confirmed on Monday.",
    "Witnesses told this paper that {}.",
    "What we know so far: {}, while questions remain open.",
)


def corpus(date=lambda story, voice: START + timedelta(days=20 * story), source=None):
    """Six stories of three articles each."""
    rows = [
        {
            "id": f"{story}-{voice}",
            "title": " ".join(topic.split()[:4]),
            "text": VOICES[voice].format(topic),
            "published_at": date(story, voice),
            "source": source,
            "lang": "en",
            "story_id": f"story-{story}",
        }
        for story, topic in enumerate(TOPICS)
        for voice in range(3)
    ]
    return pa.Table.from_pylist(rows, sets.ARTICLE)


def labelled(table, kind="story"):
    return sets.LabelledSet("invented", table, kind)


def generator():
    return np.random.default_rng(7)


def lags(table):
    """Days between each article and the first of its story."""
    values, known = timelines.dates(table)
    assert known.all()
    story = sets.codes(table["story_id"])
    return np.array([values[i] - values[story == story[i]].min() for i in range(len(table))]) / timelines.DAY
