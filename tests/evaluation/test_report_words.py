"""What a report says in words, in Markdown, and of several runs together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopwright.errors import EvaluationError
from loopwright.evaluation.reports.markdown import cell, markdown
from loopwright.evaluation.reports.together import together
from loopwright.evaluation.reports.words import between, headline, points, short, signed, verdict
from loopwright.evaluation.results import Difference, EvaluationResult, Interval, Part
from support.evaluations import BASELINE, EVALUATED, NEAREST, an_evaluation


def difference(value: float, low: float, high: float) -> Difference:
    return Difference(value, Interval(low, high), wins=1, ties=2, losses=3)


def of(result: EvaluationResult, found: Difference) -> str:
    """The headline when the difference to the baseline is this."""
    first, *others = result.comparisons
    return " ".join(
        headline(replace(result, comparisons=[replace(first, composite=found), *others]))
    )


def test_points_have_one_decimal_and_zero_has_no_sign() -> None:
    told = [points(91.25), points(0.04), points(-0.04), signed(88.1), signed(-2.04), signed(-0.01)]
    assert told == ["91.2", "0.0", "0.0", "+88.1", "−2.0", "0.0"]


def test_only_an_interval_that_leaves_zero_out_is_a_verdict() -> None:
    assert verdict(difference(2, 0.1, 4)) == "better"
    assert verdict(difference(-2, -4, -0.1)) == "worse"
    assert verdict(difference(2, -0.1, 4)) == verdict(difference(2, 0.0, 4)) == "unclear"


def test_the_headline_says_better_worse_or_not_clear() -> None:
    result, _ = an_evaluation()
    better = of(result, difference(88.1, 85, 91))
    assert f"{EVALUATED} scores 93.6 of 100 on 400 questions." in better
    assert "the difference is 88.1 points, between 85.0 and 91.0 with 95 % confidence" in better
    assert "which is more" in of(result, difference(-3, -5, -1))
    assert "between 1.0 and 5.0" in of(result, difference(-3, -5, -1))
    unclear = of(result, difference(0.5, -1, 2))
    assert "Which of them is better is not clear" in unclear
    assert "+0.5 points, between −1.0 and 2.0" in unclear
    same = replace(difference(0, 0, 0), wins=0, losses=0)
    assert "neither is better on any of them" in of(result, same)


def test_the_headline_holds_the_model_against_what_needs_none() -> None:
    result, _ = an_evaluation(baseline=False)
    told = " ".join(headline(result))
    assert f"The best that needs no model, “{NEAREST}”, scores " in told
    assert result.subjects[0].composite is not None
    assert f"{between(result.subjects[0].composite.interval)} with 95 % confidence" in told
    weak = [
        replace(c, composite=difference(0.2, -3, 4)) if c.other == NEAREST else c
        for c in result.comparisons
    ]
    told = " ".join(headline(replace(result, comparisons=weak)))
    assert f"not clearly more than “{NEAREST}”, which needs no model" in told


def test_markdown_tells_scores_and_differences_and_no_text_becomes_markup() -> None:
    result, _ = an_evaluation()
    evil = replace(result.subjects[0], label="a|b <img src=x> [link](http://x) `c`\n# d")
    text = markdown(replace(result, subjects=[evil, *result.subjects[1:]]))
    assert "<img" not in text
    assert "\n# d" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {6, 5}
    assert "| **routing** | 94.2 (91.2 … 97.1, 3 failed) |" in text
    assert "| routing/paraphrases | +88.0, between 82.8 and 93.2 | better | 132 / 18 / 0 |" in text
    assert cell("*a*_b_") == "\\*a\\*\\_b\\_"


def test_digests_are_short_but_tell_their_kind() -> None:
    assert short("sha256:" + "a" * 64) == "sha256:" + "a" * 12
    assert short("b" * 40) == "b" * 12


def test_runs_are_put_together_over_the_items_they_share() -> None:
    first, records = an_evaluation(items=60)
    other, others = an_evaluation(items=60, seed=8)
    # The candidate of the second run is another model; its baseline is the first's.
    label = "ticket-router@1"
    subjects = [replace(other.subjects[0], label=label, digest="sha256:1"), *other.subjects[1:]]
    renamed = [
        replace(r, answers={label if k == EVALUATED else k: v for k, v in r.answers.items()})
        for r in others
    ]
    other = replace(other, revision=2, subjects=subjects)
    result, joined = together([(first, records), (other, renamed[10:])])
    assert len(joined) == len(records) - 10
    assert [(s.label, s.part) for s in result.subjects[:3]] == [
        (EVALUATED, Part.EVALUATED),
        (BASELINE, Part.BASELINE),
        (label, Part.BASELINE),
    ]
    assert len(result.subjects) == 5
    mine = [record.answers[EVALUATED].score for record in joined if record.capability == "tools"]
    assert result.subjects[0].capabilities["tools"].score == pytest.approx(sum(mine) / len(mine))
    scores = [score.score for score in result.subjects[2].capabilities.values()]
    assert result.subjects[2].composite is not None
    assert result.subjects[2].composite.score == pytest.approx(sum(scores) / 3, abs=1e-5)
    assert [c.other for c in result.comparisons][:2] == [BASELINE, label]
    whole = result.comparisons[1].composite
    assert whole.wins + whole.ties + whole.losses == len(joined)
    assert result.notes[0].startswith(f"Scores are of the {len(joined)} questions that all have")


def test_the_same_model_evaluated_twice_is_there_twice() -> None:
    first, records = an_evaluation(items=40)
    again, others = an_evaluation(items=40, seed=8)
    result, _ = together([(first, records), (replace(again, revision=4), others)])
    labels = [subject.label for subject in result.subjects]
    assert labels[:3] == [EVALUATED, BASELINE, f"{EVALUATED} (router-eval@4)"]


def test_runs_of_other_suites_or_questions_are_refused() -> None:
    first, records = an_evaluation(items=20)
    with pytest.raises(EvaluationError, match="it asks the suite 'other', not 'router'"):
        together([(first, records), (replace(first, suite="other"), records)])
    others = [replace(record, id=record.id[::-1]) for record in records]
    with pytest.raises(EvaluationError, match="no question in common"):
        together([(first, records), (replace(first, revision=9), others)])
    with pytest.raises(EvaluationError, match="router-eval@3 cannot be put beside itself"):
        together([(first, records), (first, records)])


def test_a_model_that_is_baseline_here_and_evaluated_there_has_one_seat() -> None:
    first, records = an_evaluation(items=40)
    other, others = an_evaluation(items=40, seed=8)
    # The second run evaluated what the first compares with: the same model, the same digest.
    *_, digest = (s.digest for s in first.subjects if s.label == BASELINE)
    kept = [replace(other.subjects[0], label=BASELINE, digest=digest), *other.subjects[2:]]
    renamed = [
        replace(r, answers={BASELINE if k == EVALUATED else k: v for k, v in r.answers.items()})
        for r in others
    ]
    result, _ = together([(first, records), (replace(other, revision=4, subjects=kept), renamed)])
    assert [s.label for s in result.subjects] == [s.label for s in first.subjects]


def test_several_rivals_are_one_sentence() -> None:
    result, _ = an_evaluation(items=40)
    main, base, *floors = result.subjects
    versus = result.comparisons[0]
    verdicts = {"a": (5, 3, 8), "b": (4, 2, 6), "c": (0, -2, 2), "d": (-9, -12, -5)}
    rivals = [replace(base, label=label) for label in verdicts]
    found = [replace(versus, other=k, composite=difference(*v)) for k, v in verdicts.items()]
    told = list(headline(replace(result, subjects=[main, *rivals, *floors], comparisons=found)))
    assert len(told) == 3
    score = points(base.composite.score) if base.composite else ""
    assert told[1] == (
        f"With 95 % confidence it is better than a ({score}) and b ({score}); "
        f"worse than d ({score}); not clearly different from c ({score})."
    )
