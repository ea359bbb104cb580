"""What was measured, in words for somebody who sees dedup for the first time."""

from __future__ import annotations

from typing import Any

_REFUSED = {
    "same text": "each is better held by a group of its own",
    "wording differs": "their wording differs",
    "numbers differ": "their wording is alike, but their figures differ",
    "titles differ": "their wording is alike, but as short notices they would need like headlines",
    "notices differ": "short notices without headlines must share more of their wording",
    "words differ": "short notices without headlines, and each has a word that the other lacks",
    "dates differ": "their wording is alike, but as short notices they lie too far apart in time",
}
_GATES = {
    "refused by pass 1": "they are one notice filled in twice, which speaks against one story",
    "too far apart in time": "they lie so far apart in time that they were not compared",
    "below the floor": "they have next to no telling words in common",
    "lost in the crowd": "what they have in common, many other articles share with them too",
    "score too low": "next to nothing is left of their likeness without what is common around them",
    "other language": "they are in two languages, and names alone tell no story",
    "template": "they are one template filled in twice",
    "override different": "a rule keeps them apart",
    "override ignore": "a rule sets one of them aside",
    "over the budget": "each has so many nearer articles that this pair was left out",
}


def verdict(told: dict[str, Any], one_group: bool, one_story: bool, with_stories: bool) -> dict[str, Any]:
    """Say in one sentence whether two articles are together, and why; a rule that decides comes first.

    Parameters
    ----------
    told : the explanation so far: `wording`, `likeness`, `tree`, `rules`
    """
    wording, rules = told["wording"], told["rules"]
    shared = percent(wording["jaccard"])
    if one_group:
        code, together, sentence = _copies(wording)
        if rules["together"]:
            sentence = f"{_names(rules['together'])} copies of one text; they share {shared} of their wording"
        return _said(code, together, sentence)
    if one_story:
        sentence = f"two texts of their own ({shared} of the wording shared) that report the same story"
        if rules["together"]:
            sentence = f"{_names(rules['together'])} one story"
        return _said("same story", True, sentence)
    if not with_stories:
        return _said("different texts", False, f"two different texts: {_why_no_copies(told)}, {shared} shared")
    return _said("different stories", False, f"two different stories: {_apart(told)}")


def _names(rules: list[str]) -> str:
    """Begin a sentence with the rules that make something of two articles."""
    return f"by {_listed(rules)} they are"


def _listed(rules: list[str]) -> str:
    shown = [*rules[:3], *([f"{len(rules) - 3:,} more"] if len(rules) > 3 else [])]
    return f"the rule {shown[0]}" if len(shown) == 1 else f"the rules {', '.join(shown[:-1])} and {shown[-1]}"


def _forbidden(rules: list[str]) -> str:
    return f"{_listed(rules)} keep{'s' if len(rules) == 1 else ''} them apart"


def _copies(wording: dict[str, Any]) -> tuple[str, bool, str]:
    shared, held = percent(wording["jaccard"]), percent(wording["containment"])
    if wording["equal"]:
        return "same text", True, "both are the same text, word for word"
    if not wording["same_text"]:
        return "near copy", True, f"copies of one text by way of others; the two alone share {shared} of their wording"
    if wording["kind"] == "contained":
        return "contained", True, f"one text holds {held} of the other, word for word"
    if wording["jaccard"] == 1:
        return "near copy", True, "near copies of one text, the same words with other signs"
    return "near copy", True, f"near copies of one text, which share {shared} of their wording"


def _said(code: str, together: bool, sentence: str) -> dict[str, Any]:
    return {"code": code, "together": together, "sentence": f"{'Together' if together else 'Apart'}: {sentence}."}


def _why_no_copies(told: dict[str, Any]) -> str:
    rules = told["rules"]
    if rules["no_copies"]:
        return _forbidden(rules["no_copies"])
    if told["wording"]["same_text"] and rules["around_copies"]:
        return f"{_listed(rules['around_copies'])} parts other copies of them"
    if told["wording"]["same_text"] and told["level"] == "exact":
        return "the run went as far as equal texts only"
    return _REFUSED[told["wording"]["reason"]]


def _apart(told: dict[str, Any]) -> str:
    likeness, tree, rules = told["likeness"], told["tree"], told["rules"]
    if rules["apart"]:
        return _forbidden(rules["apart"])
    if likeness["gate"]:
        return _GATES[str(likeness["gate"])]
    if rules["around"]:
        return f"they are linked (score {likeness['score']:.3f}), but {_listed(rules['around'])} parts their stories"
    if tree["meet"] is None:
        return f"they are linked (score {likeness['score']:.3f}), but the texts around each are not"
    return (
        f"they are linked (score {likeness['score']:.3f}), but not closely enough to hold "
        f"{tree['meet']['texts']:,} texts together"
    )


def missing(told: dict[str, Any], with_stories: bool) -> list[str]:
    """Say what two articles that are apart lack, for each pass."""
    lines = [f"to be copies: {_missing_of_copies(told)}"]
    if with_stories:
        lines.append(f"to be one story: {_missing_of_story(told)}")
    return lines


def _missing_of_copies(told: dict[str, Any]) -> str:
    wording, rules = told["wording"], told["rules"]
    if rules["no_copies"]:
        return f"{_forbidden(rules['no_copies'])}, whatever is measured: it would have to go"
    if wording["reason"] == "wording differs":
        return (
            f"they share {percent(wording['jaccard'])} of their wording, {percent(wording['jaccard_wanted'])} is "
            f"wanted; or one should hold {percent(wording['containment_wanted'])} of the other, and holds "
            f"{percent(wording['containment'])}"
        )
    if wording["reason"] == "numbers differ":
        figures = wording["figures"]
        return (
            f"{figures['agreeing']} of {figures['agreeing'] + figures['differing']} figures agree, "
            f"{percent(figures['wanted'])} is wanted"
        )
    if wording["reason"] == "titles differ":
        titles = wording["titles"]
        return (
            f"{titles['shared']} of {titles['words']} words of the headline are shared, {titles['wanted']} are wanted"
        )
    if wording["reason"] == "dates differ":
        return (
            f"a notice under {wording['notice_words']} words comes again after {wording['hours_apart']:.0f} hours, "
            f"wanted is less than {wording['hours_wanted']:.0f}"
        )
    return _why_no_copies(told)


def _missing_of_story(told: dict[str, Any]) -> str:
    likeness, tree, rules = told["likeness"], told["tree"], told["rules"]
    if rules["apart"]:
        return f"{_forbidden(rules['apart'])}, whatever is measured: it would have to go"
    gate, meet = likeness["gate"], tree["meet"]
    if gate in ("below the floor", "lost in the crowd"):
        return f"their cosine is {likeness['cosine']:.3f}, at least {likeness['cosine_wanted']:.3f} is wanted"
    if gate == "score too low":
        return f"their score is {likeness['score']:.3f}, at least {likeness['score_wanted']:.3f} is wanted"
    if gate:
        return _GATES[gate]
    if meet is None:
        return (
            "the stories around the two have a mean link under "
            f"{tree['least_height']:g}, so that they never meet in the tree"
        )
    return (
        f"the {meet['texts']:,} texts around the two hold together less as one story ({meet['value']:.3f}) than in "
        f"parts ({meet['value_of_parts']:.3f})"
    )


def percent(share: float) -> str:
    """Return a share as whole percent, rounded down, so that what misses a threshold never looks as if it met it."""
    return f"{int(share * 100 + 1e-9)} %"
