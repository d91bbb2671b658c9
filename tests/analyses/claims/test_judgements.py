"""A rule is confirmed only on seeds that the analysis was not judged on before it had this rule."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analyses.claims.claim import Claim, Measure, Source
from analyses.claims.judgements import Judgement, Judgements, exploratory, record, recorded_in
from analyses.claims.outcome import Outcome
from analyses.claims.verdict import Status, Verdict
from mesa.errors import UserError

FIRST, SECOND = "digest of the first rule", "digest of the second"
BLOCK, NEXT = range(100, 105), range(200, 205)
CLAIM = Claim("id", "A sentence.", "A paper", "a rule", (Measure("m", "at most", 1.0, lambda _: 0.0),), Source("run"))


def verdict(status: Status) -> Verdict:
    return Verdict(CLAIM, status, "all the numbers say so", Outcome({"m": {}}, {}), {})


def judgement(digest: str, seeds: range = BLOCK, status: Status = "holds", claim: str = "id") -> Judgement:
    return Judgement("one", claim, digest, "default", tuple(seeds), status)


def judged(digest: str, seeds: range, *before: Judgement, status: Status = "holds") -> Verdict:
    """The verdict for the claim with this rule on these seeds, after earlier judgements."""
    (after,) = exploratory([verdict(status)], Judgements(before), "one", 5, {"id": digest}, seeds)
    return after


def test_a_rule_is_confirmed_on_new_seeds_and_again_on_the_same() -> None:
    assert judged(FIRST, BLOCK) == verdict("holds")
    assert judged(FIRST, BLOCK, judgement(FIRST)) == verdict("holds")
    # More seeds than before: the others are new.
    assert judged(FIRST, range(100, 108), judgement(FIRST)) == verdict("holds")


def test_a_changed_rule_is_exploratory_on_any_seed_that_was_looked_at() -> None:
    for seeds, listed in ((BLOCK, "100-104"), (range(104, 109), "104")):
        changed = judged(SECOND, seeds, judgement(FIRST))
        assert changed.status == "exploratory"
        assert f"judged on seeds {listed} before it had this rule" in changed.reason
        assert changed.reason.endswith("by the numbers alone: holds, all the numbers say so")
    assert judged(SECOND, NEXT, judgement(FIRST)).status == "holds"


@pytest.mark.parametrize("status", ["holds", "fails", "inconclusive", "undefined"])
def test_no_status_is_spared_and_to_judge_twice_confirms_nothing(status: Status) -> None:
    changed = judged(SECOND, BLOCK, judgement(FIRST, status=status), status=status)
    assert changed.status == "exploratory"
    again = judged(SECOND, BLOCK, judgement(FIRST), judgement(SECOND, status=changed.status), status=status)
    assert again.status == "exploratory"
    # The first rule stays what it was: it was there before the second.
    before = judgement(FIRST, status=status), judgement(SECOND, status="exploratory")
    assert judged(FIRST, BLOCK, *before, status=status).status == status


def test_seeds_that_were_judged_together_are_not_picked_from() -> None:
    before = judgement(FIRST, BLOCK, "inconclusive")
    picked = judged(FIRST, range(101, 105), before)
    assert picked.status == "exploratory" and "seeds 100, judged by this rule together" in picked.reason
    assert judged(FIRST, range(104, 109), before).status == "exploratory"
    # More seeds than before leave none out.
    assert judged(FIRST, range(100, 108), before).status == judged(FIRST, BLOCK, before).status == "holds"


@pytest.mark.parametrize(("first", "second"), [("holds", "fails"), ("fails", "holds")])
def test_a_rule_with_opposite_verdicts_on_two_sets_of_seeds_is_open(first: Status, second: Status) -> None:
    opposite = judged(FIRST, NEXT, judgement(FIRST, BLOCK, first), status=second)
    assert opposite.status == "inconclusive" and "on seeds 100-104 the same rule says the opposite" in opposite.reason
    # It stays open: a third set of seeds is no further chance.
    before = judgement(FIRST, BLOCK, first), judgement(FIRST, NEXT, "inconclusive")
    assert judged(FIRST, range(300, 305), *before, status=second).status == "inconclusive"
    assert judged(FIRST, NEXT, judgement(FIRST, BLOCK, first), status=first).status == first
    assert judged(FIRST, NEXT, judgement(FIRST, BLOCK, "inconclusive"), status=second).status == second
    # What is judged again on the same seeds replaces the judgement that was there.
    assert judged(FIRST, BLOCK, judgement(FIRST, BLOCK, first), status=second).status == second


def test_a_rule_that_is_added_or_renamed_after_a_look_is_exploratory_too() -> None:
    assert judged(SECOND, BLOCK, judgement(FIRST, claim="other")).status == "exploratory"
    # The name of a claim is no part of its rule.
    assert judged(FIRST, BLOCK, judgement(FIRST, claim="other")).status == "holds"
    elsewhere = replace(judgement(FIRST), analysis="two")
    assert judged(SECOND, BLOCK, elsewhere).status == "holds"


def test_the_seeds_that_a_rule_was_developed_on_confirm_nothing() -> None:
    early = judged(FIRST, range(5))
    assert early.status == "exploratory" and "developed on seeds 0-4" in early.reason
    assert judged(FIRST, range(4, 9)).status == "exploratory"
    assert judged(FIRST, range(5, 9)).status == "holds"


def test_the_next_block_is_the_first_that_can_confirm_every_rule() -> None:
    def block(*digests: str) -> int:
        return recorded.confirming_block("one", digests)

    recorded = Judgements()
    assert block(FIRST) == 100
    recorded = recorded.with_([judgement(FIRST)])
    assert (block(FIRST), block(SECOND), block(FIRST, SECOND)) == (100, 200, 200)
    recorded = recorded.with_([judgement(SECOND, NEXT)])
    assert (block(FIRST), block(SECOND), block("a third")) == (100, 200, 300)
    # One seed of a block is enough to use it up.
    assert recorded.with_([judgement(FIRST, range(399, 400))]).confirming_block("one", ["a third"]) == 400
    assert recorded.confirming_block("two", ["a third"]) == 100


def test_the_next_block_is_the_last_one_where_all_the_rules_were_judged() -> None:
    def block(*digests: str) -> int:
        return recorded.confirming_block("one", digests)

    # Its first block was looked at in another way, so that the first rule was judged on the second block alone.
    recorded = Judgements().with_([judgement(FIRST, NEXT)])
    assert (block(FIRST), block(SECOND)) == (200, 100)
    # Both rules together were judged nowhere.
    assert block(FIRST, SECOND) == 100
    recorded = recorded.with_([judgement(FIRST, range(300, 305))])
    assert block(FIRST) == 300
    # A judgement in another analysis is none here.
    assert recorded.confirming_block("two", [FIRST]) == 100


def test_the_record_is_sorted_readable_and_read_back(tmp_path: Path) -> None:
    later, first = judgement(SECOND, NEXT, "fails"), judgement(FIRST)
    record(tmp_path / "results", [later])
    record(tmp_path / "results", [first])
    text = (tmp_path / "results" / "judged.json").read_text()
    assert [row["digest"] for row in json.loads(text)] == [FIRST, SECOND]
    assert len(text.splitlines()) == 4
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["judged.json"]
    assert recorded_in(tmp_path / "results").listed == (first, later)
    # The same judgement again, with another end, is one judgement.
    record(tmp_path / "results", [replace(first, status="fails")])
    assert recorded_in(tmp_path / "results").listed == (replace(first, status="fails"), later)
    record(tmp_path / "other", [judgement("a third")])
    assert len(recorded_in(tmp_path / "results", tmp_path / "other", tmp_path / "missing").listed) == 3


GOOD = json.dumps(
    {"analysis": "one", "claim": "id", "digest": FIRST, "size": "default", "seeds": [100], "status": "holds"}
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" + GOOD, "not JSON"),
        ("{}", "not a list of judgements"),
        (f"[{GOOD}, 3]", "entry 2 is not a judgement"),
        (f"[{GOOD.replace('holds', 'hold')}]", "entry 1 is not a judgement"),
        (f"[{GOOD.replace('[100]', '[]')}]", "entry 1"),
        (f"[{GOOD.replace('[100]', '[true]')}]", "entry 1"),
        (f"[{GOOD.replace('[100]', '100')}]", "entry 1"),
        (f"[{GOOD.replace('claim', 'clam')}]", "entry 1"),
        ("[\ud800]", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_record_is_refused_and_left_as_it_is(text: str, words: str, tmp_path: Path) -> None:
    file, data = tmp_path / "judged.json", text.encode(errors="surrogatepass")
    file.write_bytes(data)
    for act in (lambda: recorded_in(tmp_path), lambda: record(tmp_path, [judgement(FIRST)])):
        with pytest.raises(UserError, match=words) as error:
            act()
        assert str(file) in str(error.value) and "\n" not in str(error.value)
    assert file.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["judged.json"]
