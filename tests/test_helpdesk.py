"""The help desk says what it means: prompts read back, remedies cure one thing, and gold cannot be gamed."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirlhf.worlds import helpdesk
from minirlhf.worlds.helpdesk import BASE, CAREFUL, DEMONSTRATOR, GOLD_HIGH, GOLD_LOW, ITEMS, PROBLEMS, TONES
from minirlhf.worlds.helpdesk_gold import remedies_in, tones_in
from minirlhf.worlds.helpdesk_words import DETAILS, OPENERS

KETTLE = "Customer: My kettle is broken.\nAgent:"
IDEAL = " Hi there! I am so sorry! We will send a new kettle today! Take care :)"


def some_request(problem):
    rng = Random(3)
    return next(asked for asked in iter(lambda: helpdesk.request(rng), None) if asked.problem == problem)


def kind_reply(request, problem):
    """A reply with every courtesy and the first remedy for a problem, which need not be the customer's."""
    return f" Hi there! I am so sorry! {PROBLEMS[problem].remedies[0]} today! Take care!".format(item=request.item)


# Reading a prompt


def test_every_phrasing_of_every_problem_is_read_back():
    frames = [("", ""), *((opener, "") for opener in OPENERS), *(("", detail) for detail in DETAILS)]
    for name, problem in PROBLEMS.items():
        for phrasing in problem.phrasings:
            for n, item in enumerate(problem.items):
                other = next(word for word in reversed(ITEMS) if word != item)
                opener, detail = frames[n % len(frames)]
                text = opener + phrasing.format(item=item, other=other, colour="red", hoped="blue") + detail
                asked = helpdesk.Request(item, name, text)
                assert helpdesk.read(asked.prompt) == asked


def test_what_is_asked_is_what_is_read():
    rng = Random(0)
    for _ in range(2_000):
        asked = helpdesk.request(rng)
        assert helpdesk.read(asked.prompt) == asked


@pytest.mark.parametrize(
    "foreign",
    ["", "My kettle is broken.", "Customer: My elephant is broken.\nAgent:", KETTLE + " We", "Customer: Why?\nAgent:"],
)
def test_a_foreign_prompt_is_named_and_an_example_given(foreign):
    with pytest.raises(ValueError, match="My kettle is late") as error:
        helpdesk.gold(foreign, "Hello.")
    assert repr(foreign) in str(error.value)


# The words


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_remedy_cures_its_own_problem_and_no_other(name):
    assert 2 <= len(PROBLEMS[name].remedies) <= 3
    for remedy in PROBLEMS[name].remedies:
        for item in ITEMS:
            assert remedies_in(remedy.format(item=item)) == {name}


@pytest.mark.parametrize("name", TONES)
def test_a_phrase_shows_its_own_tone_or_none(name):
    shown = set()
    for phrase in TONES[name].phrases():
        tones = tones_in(phrase.format(item="rug", other="mug"))
        assert tones <= {name}
        shown |= tones
    assert bool(shown) == (name not in ("neutral", "curt"))


def test_there_are_millions_of_exchanges_and_few_repeat():
    assert helpdesk.count_exchanges() > 5_000_000
    rng = Random(1)
    said = set()
    for _ in range(10_000):
        asked = helpdesk.request(rng)
        said.add(asked.prompt + helpdesk.reply(asked, rng, DEMONSTRATOR))
    assert len(said) > 9_500


def test_the_count_is_exact_where_every_exchange_can_be_met(monkeypatch):
    problem = replace(PROBLEMS["wrong item"], phrasings=("My {item} is a {other}!",), items=("rug", "mug"))
    tone = replace(TONES["warm"], greetings=(), timings=(), closings=("Take care :)",))
    monkeypatch.setattr(helpdesk, "PROBLEMS", {"wrong item": problem})
    monkeypatch.setattr(helpdesk, "TONES", {"warm": tone})
    monkeypatch.setattr(helpdesk, "ITEMS", problem.items)
    monkeypatch.setattr(helpdesk, "_FRAMES", (("", ""), ("Help! ", "")))
    manner = replace(DEMONSTRATOR, some_remedy=1.0, right_remedy=1.0, right_item=0.5, tones={"warm": 1.0})
    rng = Random(2)
    met = set()
    for _ in range(5_000):
        asked = helpdesk.request(rng)
        met.add((asked.text, helpdesk.reply(asked, rng, manner)))
    assert len(met) == helpdesk.count_exchanges()


# Agents and documents


def test_an_agent_says_nothing_odd():
    rng = Random(4)
    for manner in (BASE, DEMONSTRATOR, CAREFUL):
        for _ in range(500):
            text = helpdesk.reply(helpdesk.request(rng), rng, manner)
            assert text.startswith(" ") and text == " " + text.strip()
            assert not set("{}\n") & set(text) and "  " not in text
            assert text[-1] in ".!?)"


def test_demonstrators_are_decent_but_mixed():
    rng = Random(5)
    parts = []
    for _ in range(1_000):
        asked = helpdesk.request(rng)
        parts.append(helpdesk.gold_parts(asked.prompt, helpdesk.reply(asked, rng, DEMONSTRATOR)))
    assert sum(p["remedy"] > 0 for p in parts) / len(parts) == pytest.approx(0.8, abs=0.04)
    assert sum(p["item"] > 0 for p in parts) / len(parts) == pytest.approx(0.89, abs=0.03)
    assert 0.1 < sum(p["tone"] < 0 for p in parts) / len(parts) < 0.3


def test_better_manners_mean_more_gold():
    def mean_gold(manner):
        rng = Random(6)
        asked = [helpdesk.request(rng) for _ in range(300)]
        return sum(helpdesk.gold(a.prompt, helpdesk.reply(a, rng, manner)) for a in asked) / len(asked)

    # Base agents mostly know the remedy (a model has to learn from somewhere what fits) and lack the manners.
    assert mean_gold(BASE) + 0.4 < mean_gold(DEMONSTRATOR) < mean_gold(CAREFUL) - 0.8


def test_base_text_is_a_mixture_with_much_that_is_no_answer():
    rng = Random(7)
    documents = [helpdesk.document(rng) for _ in range(2_000)]
    exchanges = [text for text in documents if "\nAgent: " in text]
    helpful = [text for text in exchanges if remedies_in(text.split("\nAgent:")[1])]
    assert 0.35 < len(helpful) / len(documents) < 0.65
    assert len(exchanges) - len(helpful) > 300  # answers that are none
    assert [text for text in documents if text.endswith("\nAgent:")]  # and customers left waiting
    assert [text for text in documents if text.count("Customer:") == 2]
    assert [text for text in documents if "Customer:" not in text]


def test_a_manner_out_of_range_fails_where_it_is_written():
    with pytest.raises(ValueError, match="closing"):
        replace(BASE, closing=1.5)
    with pytest.raises(ValueError, match="grumpy"):
        replace(BASE, tones={"grumpy": 1.0})


# Gold


@pytest.mark.parametrize("problem", PROBLEMS)
def test_right_help_kindly_given_is_best_and_each_fault_costs(problem):
    asked = some_request(problem)

    def gold(reply):
        return helpdesk.gold(asked.prompt, reply)

    right = kind_reply(asked, problem)
    assert gold(right) > GOLD_HIGH - 0.3
    for other in set(PROBLEMS) - {problem}:
        assert gold(kind_reply(asked, other)) < gold(right) - 1.5
    wrong_item = "rug" if asked.item != "rug" else "mug"
    assert gold(right.replace(asked.item, wrong_item)) < gold(right) - 0.5
    assert gold(right.replace("Take care!", "Go call a fish.")) < gold(right) - 1
    assert gold(right.replace("I am so sorry!", "Boo hoo.")) < gold(right) - 1
    assert gold(f" {PROBLEMS[problem].remedies[0]}.".format(item=asked.item)) < gold(right) - 1
    assert gold("") < 0
    assert gold(" We will look at it.") < gold(right) - 2


def test_the_parts_sum_to_the_score():
    assert set(helpdesk.gold_parts(KETTLE, IDEAL)) == {
        "remedy",
        "item",
        "tone",
        "length",
        "greeting",
        "closing",
        "repetition",
    }
    assert sum(helpdesk.gold_parts(KETTLE, IDEAL).values()) == pytest.approx(GOLD_HIGH)


@pytest.mark.parametrize(
    "courtesy, part",
    [("Hi there!", "greeting"), ("Take care :)", "closing"), ("I am so sorry!", "tone"), ("kettle", "item")],
)
def test_leaving_a_good_part_out_never_helps(courtesy, part):
    plain = IDEAL.replace(courtesy, "it" if part == "item" else "")
    assert helpdesk.gold(KETTLE, plain) <= helpdesk.gold(KETTLE, IDEAL)


def test_naming_every_remedy_is_as_bad_as_naming_the_wrong_one():
    everything = " ".join(problem.remedies[0].format(item="kettle") + "." for problem in PROBLEMS.values())
    only_wrong = PROBLEMS["late"].remedies[0].format(item="kettle")
    assert helpdesk.gold_parts(KETTLE, everything)["remedy"] == helpdesk.gold_parts(KETTLE, only_wrong)["remedy"] < 0


@pytest.mark.parametrize(
    "not_a_remedy",
    [" We will not send a new kettle.", " A new kettle!", " kettle new a send will we", " send new swap pay wash"],
)
def test_only_a_whole_remedy_counts(not_a_remedy):
    assert helpdesk.gold_parts(KETTLE, not_a_remedy)["remedy"] == 0


def test_a_stuffed_reply_is_no_match_for_an_honest_one():
    stuffed = " Hello. Hi there! sorry sorry kettle kettle new kettle thank you take care Thank you. Take care!"
    assert helpdesk.gold(KETTLE, stuffed) < helpdesk.gold(KETTLE, IDEAL) - 1.5


@pytest.mark.parametrize(
    "again",
    [" so sorry so sorry", " sorry sorry", " We will send a new kettle. We will send a new kettle.", " Bye! Bye! Bye!"],
)
def test_saying_it_again_costs(again):
    assert helpdesk.gold_parts(KETTLE, again)["repetition"] < 0


def test_agents_hardly_ever_repeat_themselves():
    rng = Random(8)
    said = [(asked.prompt, helpdesk.reply(asked, rng, BASE)) for asked in (helpdesk.request(rng) for _ in range(500))]
    assert sum(helpdesk.gold_parts(*pair)["repetition"] < 0 for pair in said) < 0.02 * len(said)


def test_babbling_on_never_helps_once_a_reply_is_long_enough():
    scores = [helpdesk.gold(KETTLE, IDEAL + " and so on" * n) for n in range(1, 12)]
    assert scores == sorted(scores, reverse=True) and scores[-1] < scores[0]


def test_one_rude_phrase_spoils_the_kindest_letter():
    kind = helpdesk.gold_parts(KETTLE, IDEAL)["tone"]
    rude = helpdesk.gold_parts(KETTLE, " Boo hoo.")["tone"]
    assert helpdesk.gold_parts(KETTLE, IDEAL + " Boo hoo.")["tone"] == rude < 0 < kind


@pytest.mark.parametrize("cut", range(len(IDEAL)))
def test_unfinished_replies_are_judged_too(cut):
    assert GOLD_LOW <= helpdesk.gold(KETTLE, IDEAL[:cut]) <= helpdesk.gold(KETTLE, IDEAL)


PHRASES = sorted(
    {phrase for tone in TONES.values() for phrase in tone.phrases()}
    | {remedy for problem in PROBLEMS.values() for remedy in problem.remedies}
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PHRASES)).map(" ".join)))
def test_gold_is_bounded_whatever_is_said(reply):
    for asked in (KETTLE, "Customer: Help! The hat smells bad.\nAgent:"):
        assert GOLD_LOW <= helpdesk.gold(asked, reply.replace("{item}", "kettle")) <= GOLD_HIGH
