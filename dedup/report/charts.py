"""The charts of the page as Vega-Lite, over data that the page brings; colours are those of its style sheet."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt

from dedup.params import Params

HEIGHT = 190  # pixels
_INK = {"first": "var(--accent)", "second": "var(--faint)", "third": "var(--third)", "rule": "var(--ink)"}
_COPIES = {"copies": _INK["first"], "other wording": _INK["second"], "same wording, other facts": _INK["third"]}
_STORIES = {"same story": _INK["first"], "apart": _INK["second"]}
_COUNTS = alt.Axis(
    tickCount=4, tickMinStep=1, labelExpr="datum.value < 1000 ? datum.value : format(datum.value / 1000, '~r') + 'k'"
)
_FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
_Spec = dict[str, Any]


def specs(params: Params, datasets: dict[str, list[dict[str, Any]]], timeline: dict[str, Any]) -> dict[str, _Spec]:
    """Return the charts by the name of their place in the page.

    Parameters
    ----------
    params : of the run; its thresholds are drawn.
    datasets : bars by name; verdicts that no bar has are left out of the legends.
    timeline : its `unit` of time (None where no article has a date) and `gaps`, as `figures.timeline` returns them.

    Returns
    -------
    Vega-Lite specifications whose data sets are named `jaccard`, `containment`, `story`, `sizes`, `timeline`, `spans`
    and `moments`.
    """
    found: dict[str, alt.TopLevelMixin] = {
        "jaccard": _scores(
            "jaccard", "common wording (Jaccard)",
            _present(datasets["jaccard"], _COPIES), params.duplicates.jaccard, "copies from",
        ),
        "containment": _scores(
            "containment", "shorter text in longer one (containment)",
            _present(datasets["containment"], _COPIES), params.duplicates.containment, "copies from",
        ),
        "story": _scores(
            "story", "score of two texts", _present(datasets["story"], _STORIES), two_alone(params), "two alone need",
        ),
        "sizes": _sizes(),
    }  # fmt: skip
    if timeline["unit"]:
        found |= {"timeline": _timeline(timeline["unit"], timeline["gaps"]), "spans": _spans(datasets["spans"])}
    return {name: _plain(chart) for name, chart in found.items()}


def two_alone(params: Params) -> float:
    """Return the score from which two texts with nothing near them are one story; see `kernels.cutting.tree_cut`."""
    of = params.stories
    power = of.cut_power
    return float(((of.granularity**power + of.pair_height**power) / 2) ** (1 / power))


def _plain(chart: alt.TopLevelMixin) -> _Spec:
    spec: _Spec = chart.to_dict()
    del spec["$schema"], spec["config"]  # the page names neither an address nor altair's sizes
    return spec


def _present(bars: list[dict[str, Any]], inks: dict[str, str]) -> dict[str, str]:
    found = {bar["verdict"] for bar in bars}
    return {name: ink for name, ink in inks.items() if name in found}


def _scores(data: str, title: str, inks: dict[str, str], threshold: float, says: str) -> alt.TopLevelMixin:
    verdicts = list(inks)
    bars = (
        alt.Chart(alt.NamedData(data))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
            x2="to:Q",
            y=alt.Y("sum(pairs):Q", title="pairs", axis=_COUNTS),
            color=alt.Color(
                "verdict:N",
                title=None,
                scale=alt.Scale(domain=verdicts, range=list(inks.values())),
                sort=verdicts,
                legend=alt.Legend(offset=22),  # the threshold is named between it and the bars
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("verdict:N", title="verdict"),
                alt.Tooltip("from:Q", title="from"),
                alt.Tooltip("to:Q", title="to"),
                alt.Tooltip("sum(pairs):Q", title="pairs", format=","),
            ],
        )
        .transform_calculate(place=f"indexof({verdicts}, datum.verdict)")
    )
    mark = alt.Chart(alt.InlineData(values=[{"at": threshold, "says": f"{says} {threshold:.2f}"}])).encode(
        x=alt.X("at:Q")
    )
    rule = mark.mark_rule(color=_INK["rule"], strokeDash=[4, 3], strokeWidth=1.5)
    side: Literal["left", "center", "right"]
    side = "right" if threshold > 0.8 else "left" if threshold < 0.2 else "center"
    label = mark.mark_text(align=side, dy=-4, baseline="bottom", color=_INK["rule"], fontSize=12).encode(
        text="says:N", y=alt.value(0)
    )
    return alt.layer(bars, rule, label).properties(width="container", height=HEIGHT, autosize=_FIT)


def _sizes() -> alt.TopLevelMixin:
    base = alt.Chart(alt.NamedData("sizes")).encode(
        x=alt.X("size:N", sort=None, title="articles in it", axis=alt.Axis(labelAngle=0, ticks=False)),
        y=alt.Y("stories:Q", title="how many", axis=_COUNTS),
        tooltip=[
            alt.Tooltip("size:N", title="articles in it"),
            alt.Tooltip("stories:Q", title="how many", format=","),
            alt.Tooltip("articles:Q", title="articles together", format=","),
        ],
    )
    numbers = base.mark_text(dy=-6, color="var(--muted)", fontSize=11).encode(text=alt.Text("stories:Q", format=","))
    return alt.layer(base.mark_bar(color=_INK["first"], cornerRadiusEnd=2), numbers).properties(
        width="container", height=HEIGHT, autosize=_FIT
    )


def _timeline(unit: str, gaps: bool) -> alt.TopLevelMixin:
    kinds = ["first report", "told again"]
    axis = alt.Axis(tickCount=6, labelOverlap=True, labelAngle=0)
    if gaps:
        x: dict[str, Any] = {"x": alt.X("label:O", sort=alt.EncodingSortField("start"), title=None, axis=axis)}
    else:
        x = {"x": alt.X("start:T", title=None, scale=alt.Scale(type="utc"), axis=axis), "x2": alt.X2("end:T")}
    bars: alt.Chart = (
        alt.Chart(alt.NamedData("timeline"))
        .mark_bar(stroke="var(--paper)", strokeWidth=0.5)
        .encode(
            **x,
            y=alt.Y("sum(articles):Q", title=f"articles a {unit}", axis=_COUNTS),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=kinds, range=[_INK["first"], _INK["second"]]), sort=kinds
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("label:N", title="from"),
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("sum(articles):Q", title="articles", format=","),
            ],
        )
        .transform_calculate(place=f"indexof({kinds}, datum.kind)")
        .properties(width="container", height=HEIGHT, autosize=_FIT)
    )
    return bars


def _spans(spans: list[dict[str, Any]]) -> alt.TopLevelMixin:
    longest = max((span["days"] for span in spans), default=0)
    scale = alt.Scale(type="symlog", constant=2, domain=[0, max(longest, 1)], nice=False)
    ticks = [day for day in (0, 1, 3, 7, 14, 30, 90, 180, 365, 1000, 3000) if day <= max(longest, 1)]
    told = "days after its first article"
    x = alt.X("day:Q", title=told, scale=scale, axis=alt.Axis(values=ticks, grid=True, format="d"))
    order = alt.EncodingSortField("story", op="min")
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(ticks=False, domain=False, labelPadding=10, grid=False))
    names = alt.LookupData(data=alt.NamedData("spans"), key="story", fields=["name"])
    moments = alt.Chart(alt.NamedData("moments")).transform_lookup(lookup="story", from_=names)
    lines = moments.mark_rule(color=_INK["second"], strokeWidth=2).encode(
        x=alt.X("min(day):Q", scale=scale, title=told), x2="max(day):Q", y=y
    )
    dots = moments.mark_circle(color=_INK["first"], opacity=0.8).encode(
        x=x,
        y=y,
        size=alt.Size("articles:Q", legend=None, scale=alt.Scale(range=[24, 180], type="sqrt", zero=False)),
        tooltip=[alt.Tooltip("day:Q", title="day"), alt.Tooltip("articles:Q", title="articles")],
    )
    return alt.layer(lines, dots).properties(width="container", height=24 * len(spans), autosize=_FIT)
