"""Which questions to ask, and in which order: by lot, where a reward model is least sure, again, and to check.

Every function takes and returns lists of questions, so they stand one behind the other:

    questions = at_random(candidates, 50)
    questions = with_gold(with_repeats(questions, share=0.1), gold_questions(5), every=10)

The same seed gives the same list. No question stands in a list twice, and nobody is asked to choose between two
copies of one text.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from minirlhf.feedback.votes import Question
from minirlhf.files.messages import counted
from minirlhf.worlds import helpdesk
from minirlhf.worlds.helpdesk import Manner

Score = Callable[[str, Sequence[str]], Sequence[float]]  # (prompt, replies) -> how good each of them is

# The two sides of an attention check: about 3.5 apart on the gold score, whose whole scale is 6 wide.
KIND = Manner(
    some_remedy=1.0,
    right_remedy=1.0,
    right_item=1.0,
    greeting=1.0,
    apology=0.0,
    timing=0.0,
    closing=1.0,
    tones={"warm": 0.5, "formal": 0.5},
)
UNHELPFUL = Manner(  # as long as the kind one, so that somebody who likes few words sees the difference too
    some_remedy=0.0,
    right_remedy=0.0,
    right_item=0.0,
    greeting=1.0,
    apology=1.0,
    timing=0.0,
    closing=1.0,
    tones={"rude": 1.0},
)


def at_random(questions: Sequence[Question], n: int, seed: int = 0) -> list[Question]:
    """n questions by lot: the control that every cleverer choice has to beat."""
    return Random(seed).sample(_askable(questions, n), n)


def most_uncertain(questions: Sequence[Question], n: int, score: Score, seed: int = 0) -> list[Question]:
    """The n pairs whose winner a reward model can guess least, the least certain first.

    Under Bradley-Terry the left one wins with probability σ(difference), so p is nearest ½ where the scores are
    nearest to one another. The seed decides between equals.
    """
    candidates = _askable(questions, n)
    if wrong := next((question.mode for question in candidates if question.mode != "pair"), None):
        raise ValueError(f"Only pairs can be more or less certain; a question of mode {wrong!r} is among these.")
    Random(seed).shuffle(candidates)  # sorting keeps the order of equals, so this decides between them

    def certainty(question: Question) -> float:
        one, other = score(question.prompt, question.replies)
        return abs(float(one - other))

    return sorted(candidates, key=certainty)[:n]


def with_repeats(questions: Sequence[Question], share: float, seed: int = 0, gap: int = 10) -> list[Question]:
    """The same questions, and so large a share of them asked again, at least `gap` places after the first time.

    Whoever remembers an answer does not judge again: hence the gap. The sides are drawn anew for a repeat.
    """
    rng, listed = Random(seed), {question.key for question in questions}
    again = {i: replace(q, purpose="repeat") for i, q in enumerate(questions) if q.purpose == "fresh"}
    early = [i for i, q in again.items() if i + gap <= len(questions) and q.key not in listed]
    wanted = round(share * len(questions))
    if gap < 1 or not 0 <= wanted <= len(early):
        raise ValueError(
            f"To be asked again, {counted(gap, 'place')} later or more: {wanted} of {len(questions)} questions; and "
            f"{len(early) if gap > 0 else 0} can be. Take a smaller share, another gap (1 or more), or more questions."
        )
    behind: list[list[Question]] = [[] for _ in questions]  # the repeats that follow each question
    for i in rng.sample(early, wanted):
        behind[rng.randrange(i + gap - 1, len(questions))].append(again[i])
    return [each for question, repeats in zip(questions, behind, strict=True) for each in (question, *repeats)]


def with_gold(questions: Sequence[Question], gold: Sequence[Question], every: int, seed: int = 0) -> list[Question]:
    """The same questions, with an attention check somewhere among every `every` of them.

    Where exactly is drawn by lot: a check that can be foreseen checks nothing.
    """
    if every < 1:
        raise ValueError(f"every is {every}; one attention check among every 10 questions is every=10.")
    if wrong := next((question.purpose for question in gold if question.purpose != "gold"), None):
        raise ValueError(f"An attention check has purpose='gold' and says what is expected; one here is {wrong!r}.")
    rng, mixed, wanted = Random(seed), list(questions), len(questions) // every
    pairs = {question.pair for question in questions}
    unseen = [check for check in gold if check.pair not in pairs]
    checks = rng.sample(_askable(unseen, wanted, "attention check"), wanted)
    for block in reversed(range(wanted)):  # from the back, so that what is still to come keeps its place
        mixed.insert(block * every + rng.randrange(every + 1), checks[block])
    return mixed


def gold_questions(n: int, seed: int = 0) -> list[Question]:
    """Attention checks at the help desk: a kind reply that helps, against a rude one that does not."""
    rng, checks = Random(seed), {}
    while len(checks) < n:
        request = helpdesk.request(rng)
        good, bad = helpdesk.reply(request, rng, KIND), helpdesk.reply(request, rng, UNHELPFUL)
        expected = rng.randrange(2)
        replies = (bad, good) if expected else (good, bad)
        check = Question("pair", request.prompt, replies, purpose="gold", expected=expected)
        checks.setdefault(check.pair, check)
    return list(checks.values())


def _askable(questions: Sequence[Question], n: int, what: str = "question") -> list[Question]:
    """Each pair once, and none with the same reply twice; at least n of them."""
    once: dict[str, Question] = {}
    for question in questions:
        if len(set(question.replies)) == len(question.replies):
            once.setdefault(question.pair, question)
    if not 0 <= n <= len(once):
        raise ValueError(
            f"{counted(n, what)} wanted, and {len(once)} of the {len(questions)} that could be taken can be asked: "
            "each pair once, and no reply against itself. Give more, or ask for fewer."
        )
    return list(once.values())
