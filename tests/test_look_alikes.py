"""Notices of one template and events of one kind: told apart by what differs, at the shipped defaults."""

from datetime import UTC, datetime, timedelta

import pytest

import dedup

START = datetime(2025, 3, 3, 9, tzinfo=UTC)

# A daily notice in some languages: nothing but the day and the figures changes.
DAILY = {
    "en": (
        "Harbour Exchange fixes grain prices",
        "The Harbour Exchange fixed wheat at {} crowns a tonne and barley at {} crowns in the morning "
        "session, with {} lots "
        "changing hands. Brokers said trade was orderly and that deliveries to the northern silos went on as "
        "planned.",
    ),
    "es": (
        "La lonja del puerto fija el precio del grano",
        "La lonja del puerto fijó el trigo en {} coronas por tonelada y la cebada en {} coronas en la sesión "
        "de la mañana, con "
        "{} lotes vendidos. Los corredores dijeron que el mercado estuvo tranquilo y que las entregas siguen "
        "según lo previsto.",
    ),
    "ru": (
        "Портовая биржа установила цены на зерно",
        "Портовая биржа установила цену пшеницы в {} крон за тонну и ячменя в {} крон на утренних торгах, "
        "продано {} партий. "
        "Брокеры говорят, что торги шли спокойно, а поставки в северные элеваторы продолжаются по плану.",
    ),
    "zh": (
        "海港交易所公布谷物价格",
        "海港交易所今日早盘公布小麦价格为每吨{}克朗,大麦价格为每吨{}克朗,共成交{}手。经纪人表示交易平稳,运往北方粮仓的货物按计划进行。",
    ),
}


def daily(language, days):
    title, text = DAILY[language]
    return [
        {
            "id": f"{language}-{i}",
            "title": title,
            "text": text.format(211 + 7 * i, 164 + 5 * i, 38 + 3 * i),
            "date": START + timedelta(days=3 * i),
        }
        for i in range(days)
    ]


def stories(rows):
    return {row["doc_id"]: row["story_id"] for row in dedup.cluster(rows).documents.to_pylist()}


@pytest.mark.parametrize("language", DAILY)
@pytest.mark.parametrize("days", [2, 12])
def test_a_notice_that_comes_every_few_days_is_a_new_story_each_time(language, days):
    assert len(set(stories(daily(language, days)).values())) == days


def test_not_even_a_review_of_them_all_gathers_them():
    """What resembles each of them would chain them if refused pairs were merely no evidence."""
    rows = daily("en", 12)
    review = "Wheat and barley prices at the Harbour Exchange rose in each morning session of the month, brokers said, "
    for i in range(3):
        text = (
            review + f"and trade in lots was orderly while deliveries to the northern silos went on. Review number {i}."
        )
        rows.append({"id": f"review-{i}", "title": "Harbour Exchange grain prices", "text": text, "date": START})
    found = stories(rows)
    assert len({found[f"en-{i}"] for i in range(12)}) == 12


def test_an_identical_body_under_another_headline_and_day_is_another_story():
    text = "The board set the quarterly dividend at 12 cents a share, payable to holders of record at the month's end."
    rows = [
        {"id": name, "title": f"{name} sets payout", "text": text, "date": START + timedelta(days=11 * i)}
        for i, name in enumerate(("Orvale Foods", "Tamsin Rail", "Kestrel Cement"))
    ]
    found = dedup.cluster(rows)
    assert found.groups.num_rows == 3
    assert found.clusters.num_rows == 3


def test_an_update_within_hours_stays_in_its_story():
    """Two versions of one report whose figures differ are no copies, but one event."""
    first = (
        "A tram left the rails at the Mill Square junction on Monday morning and struck a bakery, hurting {} "
        "people, the "
        "Vesterby fire brigade said. Rescuers freed {} passengers from the front car. The driver, Ludo Hane, "
        "told police "
        "that the points had frozen overnight. Service on lines {} and {} was halted while cranes lifted the "
        "cars. The "
        "bakery's owner said the oven wall had held and that nobody had stood behind the counter at the time."
    )
    other = (
        "Frozen points sent a tram into a bakery at Mill Square in Vesterby on Monday. The fire brigade "
        "freed passengers "
        "from the wreck, and police questioned the driver, Ludo Hane. Cranes worked all day to lift the cars "
        "off the junction."
    )
    rows = [
        {"id": "early", "title": "Tram hits bakery at Mill Square", "text": first.format(5, 11, 2, 4), "date": START},
        {
            "id": "late",
            "title": "Tram hits bakery at Mill Square",
            "text": first.format(9, 14, 6, 7),
            "date": START + timedelta(hours=5),
        },
        {
            "id": "other",
            "title": "Tram crashes into Vesterby bakery",
            "text": other,
            "date": START + timedelta(hours=3),
        },
    ]
    found = dedup.cluster(rows)
    assert found.groups.num_rows == 3
    assert found.clusters.num_rows == 1


def test_two_events_of_one_kind_are_two_stories():
    """Earthquakes: the same words of their kind, but other places, people and figures."""
    quakes = {
        "tolvar": [
            "A magnitude 5.8 earthquake shook the Tolvar valley before dawn, toppling chimneys in Brenna and "
            "cutting the rail "
            "line to Osk. Governor Ilse Marek said two people were treated for cuts.",
            "Brenna counted its fallen chimneys after the Tolvar valley quake. Two residents were treated "
            "for cuts, governor "
            "Ilse Marek said, and trains to Osk will not run before Friday.",
            "Trains to Osk stand still since the earthquake in the Tolvar valley. In Brenna masons began to "
            "take down loose "
            "chimneys, while governor Marek promised help.",
        ],
        "sulema": [
            "An earthquake of magnitude 6.1 struck off the Sulema islands on Sunday and sent small waves "
            "into Port Anat, where "
            "fishing boats were thrown on the quay. Mayor Rafa Diouf asked people to stay uphill.",
            "Port Anat's fishermen returned to find boats on the quay after the Sulema quake. Mayor Rafa "
            "Diouf lifted the order "
            "to stay uphill on Sunday evening.",
            "Small waves followed the earthquake off the Sulema islands, and in Port Anat boats were lifted "
            "onto the quay. "
            "Nobody was hurt, mayor Diouf said.",
        ],
    }
    rows = [
        {"id": f"{name}-{i}", "text": text, "date": START + timedelta(hours=4 * i)}
        for name, texts in quakes.items()
        for i, text in enumerate(texts)
    ]
    found = stories(rows)
    assert {name: {found[f"{name}-{i}"] for i in range(3)} for name in quakes}.keys() == quakes.keys()
    assert len({found[f"tolvar-{i}"] for i in range(3)}) == 1
    assert len({found[f"sulema-{i}"] for i in range(3)}) == 1
    assert found["tolvar-0"] != found["sulema-0"]
