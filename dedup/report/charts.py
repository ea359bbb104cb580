"""The charts of the page as Vega-Lite, over data that the page brings; colours are those of its style sheet."""

from __future__ import annotations

from typing import Any

import altair as alt

from dedup.params import Params

HEIGHT = 190  # pixels
_TWO = ["copies", "other wording", "same wording, other facts"]
_INK = {"first": "var(--accent)", "second": "var(--faint)", "third": "var(--warm)", "rule": "var(--ink)"}
_Spec = dict[str, Any]


def specs(params: Params, unit: str | None) -> dict[str, _Spec]:
    """Return the charts by the name of their place in the page.

    Parameters
    ----------
    params : of the run; its thresholds are drawn.
    unit : of time, of one bar of the time line; None where no article has a date.

    Returns
    -------
    Vega-Lite specifications whose data sets are named `jaccard`, `containment`, `story`, `sizes`, `timeline`, `spans`
    and `moments`.
    """
    found: dict[str, alt.TopLevelMixin] = {
        "jaccard": _scores(
            "jaccard", "share of all their wording that the two have in common (Jaccard)", _TWO,
            params.duplicates.jaccard, "copies from",
        ),
        "containment": _scores(
            "containment", "share of the shorter text that stands in the longer (containment)", _TWO,
            params.duplicates.containment, "copies from",
        ),
        "story": _scores(
            "story", "score of two texts", ["same story", "apart"], two_alone(params), "two alone need",
        ),
        "sizes": _sizes(),
    }  # fmt: skip
    if unit is not None:
        found |= {"timeline": _timeline(unit), "spans": _spans()}
    return {name: _plain(chart) for name, chart in found.items()}


def two_alone(params: Params) -> float:
    """Return the score from which two texts with nothing near them are one story; see `kernels.linkage.tree_cut`."""
    of = params.stories
    power = of.cut_power
    return float(((of.granularity**power + of.pair_height**power) / 2) ** (1 / power))


def _plain(chart: alt.TopLevelMixin) -> _Spec:
    spec: _Spec = chart.to_dict()
    del spec["$schema"], spec["config"]  # the page names neither an address nor altair's sizes
    return spec


def _verdict(names: list[str]) -> alt.Color:
    inks = [_INK["first"], _INK["second"], _INK["third"]][: len(names)]
    return alt.Color("verdict:N", title=None, scale=alt.Scale(domain=names, range=inks), sort=names)


def _scores(data: str, title: str, verdicts: list[str], threshold: float, says: str) -> alt.TopLevelMixin:
    bars = (
        alt.Chart(alt.NamedData(data))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
            x2="to:Q",
            y=alt.Y("sum(pairs):Q", title="pairs", axis=alt.Axis(tickCount=4, format="~s")),
            color=_verdict(verdicts),
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
    right = threshold > 0.5
    rule = mark.mark_rule(color=_INK["rule"], strokeDash=[4, 3], strokeWidth=1.5)
    label = mark.mark_text(
        align="right" if right else "left", dx=-5 if right else 5, dy=1, baseline="top", color=_INK["rule"], fontSize=12
    ).encode(text="says:N", y=alt.value(0))
    return alt.layer(bars, rule, label).properties(width="container", height=HEIGHT)


def _sizes() -> alt.TopLevelMixin:
    base = alt.Chart(alt.NamedData("sizes")).encode(
        x=alt.X("size:N", sort=None, title="articles in it", axis=alt.Axis(labelAngle=0, ticks=False)),
        y=alt.Y("stories:Q", title="how many", axis=alt.Axis(tickCount=4, format="~s")),
        tooltip=[
            alt.Tooltip("size:N", title="articles in it"),
            alt.Tooltip("stories:Q", title="how many", format=","),
            alt.Tooltip("articles:Q", title="articles together", format=","),
        ],
    )
    numbers = base.mark_text(dy=-6, color="var(--muted)", fontSize=11).encode(text=alt.Text("stories:Q", format=","))
    return alt.layer(base.mark_bar(color=_INK["first"], cornerRadiusEnd=2), numbers).properties(
        width="container", height=HEIGHT
    )


def _timeline(unit: str) -> alt.TopLevelMixin:
    kinds = ["first report", "told again"]
    bars: alt.Chart = (
        alt.Chart(alt.NamedData("timeline"))
        .mark_bar(stroke="var(--paper)", strokeWidth=0.5)
        .encode(
            x=alt.X("start:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(tickCount=6, labelOverlap=True)),
            x2="end:T",
            y=alt.Y("sum(articles):Q", title=f"articles a {unit}", axis=alt.Axis(tickCount=4, format="~s")),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=kinds, range=[_INK["first"], _INK["second"]]), sort=kinds
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("start:T", title="from", format="%d %b %Y %H:%M" if unit == "hour" else "%d %b %Y"),
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("sum(articles):Q", title="articles", format=","),
            ],
        )
        .transform_calculate(place=f"indexof({kinds}, datum.kind)")
        .properties(width="container", height=HEIGHT)
    )
    return bars


def _spans() -> alt.TopLevelMixin:
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    time = alt.Scale(type="utc")
    lines = (
        alt.Chart(alt.NamedData("spans"))
        .mark_rule(color=_INK["second"], strokeWidth=2)
        .encode(
            x=alt.X("first:T", title=None, scale=time, axis=alt.Axis(tickCount=5, labelOverlap=True)), x2="last:T", y=y
        )
    )
    dots = (
        alt.Chart(alt.NamedData("moments"))
        .mark_circle(color=_INK["first"], opacity=0.75)
        .encode(
            x=alt.X("when:T", scale=time),
            y=y,
            size=alt.Size("articles:Q", legend=None, scale=alt.Scale(range=[18, 160], type="sqrt")),
            tooltip=[
                alt.Tooltip("name:N", title="story"),
                alt.Tooltip("when:T", title="day", format="%d %b %Y"),
                alt.Tooltip("articles:Q", title="articles"),
            ],
        )
    )
    return alt.layer(lines, dots).properties(width="container", height=alt.Step(24))
