"""What each vote says to a model that learns from it: written here once, for training, files and figures alike.

    vote             preferences                                  judgements             demonstrations
    A or B           the winner over the other
    tie              the two, ½ each way
    both bad                                                      two times no
    thumb                                                         yes or no
    stars            each two replies that one person starred     of a reply that stands
                     for one prompt: the gap is the margin,       alone: 4 and 5 yes,
                     and ½ each way where there is none           1 and 2 no, 3 nothing
    ranking of n     n(n-1)/2, each reply over those below
    correction       the corrected text over the original                                the corrected text
    demonstration                                                                        the text
    skip

Two kinds of question need a rule of their own. Attention checks ("gold") ask who is reading, and their answer was
settled beforehand, so they say nothing about taste and are left out everywhere. Repeats count like any other vote:
who answers the same twice means it, and who answers otherwise is torn, and both is what a model should learn.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from minirlhf.feedback.votes import Better, BothBad, Ranking, Skip, Stars, Text, Thumb, Tie, Vote
from minirlhf.files.messages import counted, shown
from minirlhf.tokenizer import split_words

YES_STARS, NO_STARS = (4, 5), (1, 2)

SPEAKING = ("\nAgent:", "\nAssistant:")  # how a prompt ends where a colon and a space part it from the reply

ENOUGH_TO_LEARN = 20  # informative answers; with fewer, what a reward model learns is mostly luck
ENOUGH_TO_SEE = 8  # answers that are all alike: by lot, that happens once in 128 times
REPEATS_TO_SEE = 3


@dataclass(frozen=True)
class Preference:
    """One reply was preferred to another: `preference` is 1 for a choice and ½ for a tie, `margin` counts stars."""

    prompt: str
    chosen: str
    rejected: str
    preference: float = 1.0
    margin: float = 0.0
    votes: tuple[str, ...] = ()  # the ids of those that say so


@dataclass(frozen=True)
class Judgement:
    """One reply will do, or will not, whatever else could have been said: TRL's unpaired preference."""

    prompt: str
    completion: str
    label: bool
    votes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demonstration:
    """What a person would have said."""

    prompt: str
    completion: str
    votes: tuple[str, ...] = ()


def preferences(votes: Iterable[Vote]) -> list[Preference]:
    """Which reply was preferred to which, as the votes came in; what says nothing about two replies is left out."""
    starred: dict[tuple[str, str], list[tuple[int, Vote]]] = defaultdict(list)
    found: list[Preference] = []
    for vote in _about_taste(votes):
        prompt, replies, source = vote.question.prompt, vote.question.replies, (vote.id,)
        match vote.answer:
            case Better(winner):
                found.append(Preference(prompt, replies[winner], replies[1 - winner], votes=source))
            case Tie():
                found.append(Preference(prompt, replies[0], replies[1], preference=0.5, votes=source))
            case Ranking(order):
                found += [
                    Preference(prompt, replies[better], replies[worse], votes=source)
                    for better, worse in combinations(order, 2)
                ]
            case Text(text) if replies:
                found.append(Preference(prompt, _as_reply(prompt, text), replies[0], votes=source))
            case Stars(stars):
                # Only the same person's: another's three stars may be this one's five.
                earlier = starred[vote.voter, prompt]
                found += [_by_stars(other, (stars, vote)) for other in earlier]
                earlier.append((stars, vote))
    # The same text on both sides says nothing, however it came about: a ranking of doubles, stars given twice.
    return [preference for preference in found if preference.chosen != preference.rejected]


def judgements(votes: Iterable[Vote], every_star: bool = False) -> list[Judgement]:
    """Which replies will do by themselves. With `every_star`, stars count here even where they could be compared."""
    votes = list(_about_taste(votes))
    replies: dict[tuple[str, str], set[str]] = defaultdict(set)
    for vote in votes:
        if isinstance(vote.answer, Stars):
            replies[vote.voter, vote.question.prompt].update(vote.question.replies)
    found: list[Judgement] = []
    for vote in votes:
        prompt, source = vote.question.prompt, (vote.id,)
        match vote.answer:
            case Thumb(up):
                found.append(Judgement(prompt, vote.question.replies[0], up, source))
            case BothBad():
                found += [Judgement(prompt, reply, False, source) for reply in vote.question.replies]
            case Stars(stars) if stars in (*YES_STARS, *NO_STARS):
                if every_star or len(replies[vote.voter, prompt]) == 1:
                    found.append(Judgement(prompt, vote.question.replies[0], stars in YES_STARS, source))
    return found


def demonstrations(votes: Iterable[Vote]) -> list[Demonstration]:
    """What people wrote themselves, to be imitated."""
    return [
        Demonstration(vote.question.prompt, _as_reply(vote.question.prompt, vote.answer.text), (vote.id,))
        for vote in _about_taste(votes)
        if isinstance(vote.answer, Text)
    ]


def _about_taste(votes: Iterable[Vote]) -> Iterator[Vote]:
    return (vote for vote in votes if vote.question.purpose != "gold")


def _by_stars(first: tuple[int, Vote], second: tuple[int, Vote]) -> Preference:
    """What one person's stars for two replies to one prompt say about the two."""
    (most, better), (fewest, worse) = (second, first) if second[0] > first[0] else (first, second)
    return Preference(
        better.question.prompt,
        better.question.replies[0],
        worse.question.replies[0],
        preference=1.0 if most > fewest else 0.5,
        margin=float(most - fewest),
        votes=(first[1].id, second[1].id),
    )


def _as_reply(prompt: str, text: str) -> str:
    """A typed text as the model would have said it.

    Nobody types the space between "Agent:" and a reply, nor the one after hh-rlhf's "Assistant:".
    Without it, typed texts could be told from a model's by their first letter, and a reward model would learn just
    that.
    """
    return " " + text.strip() if prompt.endswith(SPEAKING) else text


# What the votes can carry, in words.


def advise(votes: Sequence[Vote]) -> list[str]:
    """What these votes cannot support, and what to do about it, a sentence each; empty where nothing stands out."""
    if not votes:
        return ["There are no votes yet, so nothing can be learned: vote, or let a simulated person vote."]
    if all(isinstance(vote.answer, Skip) for vote in votes):
        return [
            f"Every question was skipped ({counted(len(votes), 'vote')}), so nothing was said: "
            "answer some, or ask about other replies."
        ]
    preferred, judged = preferences(votes), judgements(votes)
    choices = [preference for preference in preferred if preference.preference == 1]
    lone = _without_contrast(len(preferred), choices, judged, demonstrations(votes))
    found = [lone] if lone else [_too_few(len(choices) + len(judged))]
    found += [_one_side(votes), _torn(votes), _one_length(choices), _one_word(choices)]
    return [sentence for sentence in found if sentence]


def _without_contrast(
    pairs: int, choices: Sequence[Preference], judged: Sequence[Judgement], written: Sequence[Demonstration]
) -> str | None:
    """Nothing stands above anything else, so there is no direction to learn."""
    labels = {judgement.label for judgement in judged}
    if choices or len(labels) == 2:
        return None
    if labels:
        given, other = ("yes", "no") if True in labels else ("no", "yes")
        return (
            f"Every judgement is a {given} ({counted(len(judged), 'judgement')}), so nothing here tells good from "
            f"bad: judge some replies that deserve a {other}, or choose between two."
        )
    if pairs:
        return (
            f"Every pair is a tie ({counted(pairs, 'pair')}), so no reply is better than another and a reward model "
            "learns to score all alike: ask about replies that differ more."
        )
    if written:
        return (
            f"There are only texts to imitate ({counted(len(written), 'text')}), which is enough for SFT but gives "
            "a reward model nothing to compare: vote on some pairs as well."
        )
    return (
        "No vote here prefers or judges a reply (attention checks, skips and a lone three stars do not), so "
        "nothing can be learned: vote on some pairs."
    )


def _too_few(informative: int) -> str | None:
    if informative >= ENOUGH_TO_LEARN:
        return None
    return (
        f"There are fewer than {ENOUGH_TO_LEARN} choices and judgements ({informative} so far), so what a reward "
        "model learns from them is mostly luck: vote some more before you trust it."
    )


def _one_side(votes: Sequence[Vote]) -> str | None:
    """Position explains the votes as well as any text could."""
    sides = [vote.chose_left for vote in _about_taste(votes) if vote.chose_left is not None]
    if len(sides) < ENOUGH_TO_SEE or len(set(sides)) == 2:
        return None
    return (
        f"Every choice fell on the {'left' if sides[0] else 'right'} reply ({counted(len(sides), 'choice')}), so the "
        "side may have been chosen and not the text: ask again with the sides drawn by lot."
    )


def _torn(votes: Sequence[Vote]) -> str | None:
    """The only voter answers repeats otherwise: no other voter can make up for that noise."""
    if len({vote.voter for vote in votes}) > 1:
        return None
    first: dict[str, str] = {}
    again: list[bool] = []
    for vote in _about_taste(votes):
        if vote.question.mode != "pair" or isinstance(vote.answer, Skip):
            continue
        answer = _in_words(vote)
        if vote.question.purpose == "repeat" and vote.question.pair in first:
            again.append(first[vote.question.pair] == answer)
        first.setdefault(vote.question.pair, answer)
    changed = again.count(False)
    if len(again) < REPEATS_TO_SEE or 2 * changed < len(again):
        return None
    return (
        f"Asked again, the only voter answered otherwise in {changed} of {counted(len(again), 'repeat')}, so these "
        "votes are close to a coin's: read more slowly, or ask about replies that differ more."
    )


def _in_words(vote: Vote) -> str:
    """The answer to a pair, whatever the order of its replies."""
    if isinstance(vote.answer, Better):
        return vote.question.replies[vote.answer.winner]
    return type(vote.answer).__name__


def _one_length(choices: Sequence[Preference]) -> str | None:
    """Length alone explains every choice."""
    leads = [len(choice.chosen) - len(choice.rejected) for choice in choices]
    if len(choices) < ENOUGH_TO_SEE or min(leads) <= 0 <= max(leads):
        return None
    won, lost = ("longer", "shorter") if leads[0] > 0 else ("shorter", "longer")
    return (
        f"The {won} reply won every time ({counted(len(choices), 'choice')}), so length alone explains these votes "
        f"and may be all that is learned: add pairs in which the {lost} reply is the better one."
    )


def _one_word(choices: Sequence[Preference]) -> str | None:
    """One word that only the chosen, or only the rejected, replies hold explains every choice."""
    if len(choices) < ENOUGH_TO_SEE:
        return None
    words = [(set(split_words(choice.chosen)), set(split_words(choice.rejected))) for choice in choices]
    for side, other in (("chosen", "rejected"), ("rejected", "chosen")):
        alone = [mine - yours if side == "chosen" else yours - mine for mine, yours in words]
        if always := set.intersection(*alone):
            return (
                f"In every choice ({counted(len(choices), 'choice')}) the {side} reply says {shown(min(always))} and "
                f"the {other} one does not, so that one word explains these votes: add pairs in which both say it, "
                "or neither does."
            )
    return None
