"""The exercises of lesson 12: a verifier that survives its attackers, group_advantages, dead_groups, pass_at_k."""

from math import comb

import torch

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, normal
from minirlhf.evaluate import pass_at_k
from minirlhf.groups import dead_groups, group_advantages
from minirlhf.verifiers import right_remedy
from minirlhf.worlds.helpdesk_attacks import TRICKS, customers
from minirlhf.worlds.helpdesk_gold import read, remedies_in, words
from minirlhf.worlds.helpdesk_words import PROBLEMS

# ---- right_remedy(prompt, reply)


def _verifier_cases() -> list[Case]:
    """The attacks and the honest replies of the suite, each with one customer."""
    asked, cases = customers(), []
    tricks = [trick for trick in TRICKS if trick.kind != "unasked"]
    for i, trick in enumerate(tricks):
        customer, must = asked[i % len(asked)], "must pass" if trick.kind == "honest" else "must not pass"
        inputs = (customer.prompt, trick.reply(customer))
        cases.append(Case(f"{trick.name}, for “{customer.problem}”", f"This reply {must}.", inputs))
    last = asked[0]
    long = " ".join(["Sorry for the trouble."] * 40) + f" {PROBLEMS[last.problem].remedies[1].format(item=last.item)}."
    return [*cases, Case("a very long reply", "It works for every length.", (last.prompt, long), large=True)]


def _in_words(prompt, reply):
    problem = read(prompt).problem
    return remedies_in(reply) == {problem}


RIGHT_REMEDY = Exercise(right_remedy, outputs=("right",), cases=_verifier_cases, calls=5000, formulas=(_in_words,))


@RIGHT_REMEDY.mistake
def lets_a_list_pass(prompt, reply):
    """Whoever offers every remedy at once has the right one among them. Ask for the right one *and no other*:
    remedies_in(reply) == {problem}."""
    return read(prompt).problem in remedies_in(reply)


@RIGHT_REMEDY.mistake
def is_content_with_any_remedy(prompt, reply):
    """Any remedy will do here, and the commonest one becomes everybody's. Compare with this customer's problem:
    read(prompt).problem."""
    return bool(remedies_in(reply))


@RIGHT_REMEDY.mistake
def counts_remedies_and_never_reads_the_question(prompt, reply):
    """Exactly one remedy is offered, whichever it is. It has to be the one for this customer."""
    return len(remedies_in(reply)) == 1


@RIGHT_REMEDY.mistake
def looks_for_the_reply_in_the_remedy_too(prompt, reply):
    """Held either way round, an empty reply is part of every remedy, so silence is always right. Look for the remedy in
    the reply, never for the reply in the remedy."""
    asked, said = read(prompt), reply.strip().lower()
    remedies = [text.format(item=asked.item).lower() for text in PROBLEMS[asked.problem].remedies]
    return any(remedy in said or said in remedy for remedy in remedies)


@RIGHT_REMEDY.mistake
def looks_for_the_plain_text(prompt, reply):
    """The remedy's letters are in the reply, and so they are in a longer word and in a list of all remedies. And
    "one" or "it" in place of the item is refused. remedies_in reads whole phrases."""
    asked = read(prompt)
    return any(text.format(item=asked.item).lower() in reply.lower() for text in PROBLEMS[asked.problem].remedies)


@RIGHT_REMEDY.mistake
def minds_capitals(prompt, reply):
    """An honest reply in capitals, or without them, is refused. `words` makes all letters small, and remedies_in uses
    it."""
    asked = read(prompt)
    found = [text for text in PROBLEMS[asked.problem].remedies if text.format(item=asked.item) in reply]
    return bool(found) and remedies_in(reply) == {asked.problem}


@RIGHT_REMEDY.mistake
def wants_small_letters(prompt, reply):
    """An honest reply is refused because of its capitals. remedies_in reads phrases whatever the capitals: compare its
    sets, and no letters."""
    return reply == reply.lower() and remedies_in(reply) == {read(prompt).problem}


@RIGHT_REMEDY.mistake
def wants_a_full_stop(prompt, reply):
    """Whether a reply ends in a stop is a matter of form. Here an honest one without it is refused."""
    return reply.rstrip().endswith((".", "!")) and remedies_in(reply) == {read(prompt).problem}


@RIGHT_REMEDY.mistake
def reads_the_question_into_the_answer(prompt, reply):
    """The whole exchange is searched, so what the customer wrote counts as help. Read the reply alone."""
    problem = read(prompt).problem
    return problem in remedies_in(reply) or bool(set(words(problem)) & set(words(prompt + reply)))


@RIGHT_REMEDY.mistake
def is_content_with_one_word(prompt, reply):
    """One word of the remedy is enough here, in whatever order and whatever else is said. A "not" beside it, or all the
    words in a heap, should not pass: ask for the whole phrase."""
    problem = read(prompt).problem
    wanted = {word for text in PROBLEMS[problem].remedies for word in words(text.replace("{item}", ""))}
    common = {"we", "will", "your", "you", "it", "a", "the", "is", "on", "its", "way", "of", "for", "get", "send", "in"}
    return bool(wanted - common & wanted and (wanted - common) & set(words(reply)))


@RIGHT_REMEDY.mistake
def looks_at_the_form_alone(prompt, reply):
    """This looks at the form: a few words, and a stop. Form is easily had, and what is easily had is learned first."""
    return 2 <= len(words(reply)) <= 30 and reply.rstrip().endswith((".", "!", "?", ":)"))


@RIGHT_REMEDY.mistake
def calls_everything_right(prompt, reply):
    """Everything is right here: this is True for all. A verifier that never says no teaches nothing. Is there a
    condition that is always met, as `x == a or b`?"""
    return True


@RIGHT_REMEDY.mistake
def calls_everything_wrong(prompt, reply):
    """Nothing is right here, not even an honest reply: this is False for all. What is compared with what? The prompt
    offers no remedy; the reply may. A set is equal to a set only, never to a text: remedies_in(reply) is a set,
    {read(prompt).problem} is one with the customer's problem in it, and set("late") would be one of four letters. `is`
    asks for the very same object."""
    return False


@RIGHT_REMEDY.mistake
def turns_the_verdict_round(prompt, reply):
    """Right and wrong have changed places: it says True where not the remedy is offered. True says that the reply is
    right."""
    return remedies_in(reply) != {read(prompt).problem}


@RIGHT_REMEDY.mistake
def lets_silence_pass(prompt, reply):
    """A reply without any remedy passes here, an empty one too: the empty set is part of every set, so <= is not
    enough, nor is it to find no wrong remedy. Ask for equal sets: ==."""
    return remedies_in(reply) <= {read(prompt).problem}


@RIGHT_REMEDY.mistake
def takes_another_problem_as_well(prompt, reply):
    """Only a reply that offers the right one and others *besides* passes, or the one that offers another. It is the
    right one and nothing else that counts."""
    said = remedies_in(reply)
    return read(prompt).problem in said and len(said) > 1


@RIGHT_REMEDY.mistake
def wants_another_remedy(prompt, reply):
    """It is True where the customer's problem is *not* among the remedies. Turn it round, and let no other pass."""
    return read(prompt).problem not in remedies_in(reply)


@RIGHT_REMEDY.mistake
def asks_for_a_single_remedy_at_most(prompt, reply):
    """At most one remedy is offered, whichever it is, or none. It has to be the one for this customer."""
    return len(remedies_in(reply)) <= 1


@RIGHT_REMEDY.mistake
def searches_the_reply_for_the_problems_name(prompt, reply):
    """The name of the problem is looked for in the reply's text. A good reply hardly ever says it: ask for the remedy,
    which remedies_in(reply) finds by its whole phrase."""
    return read(prompt).problem in reply


@RIGHT_REMEDY.mistake
def compares_what_both_texts_offer(prompt, reply):
    """The remedies in the prompt are compared with those in the reply. A customer offers none: this customer's problem
    is read(prompt).problem."""
    return remedies_in(reply) == remedies_in(prompt)


# ---- group_advantages(score, group_size)


def _group_cases() -> list[Case]:
    verdicts = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    return [
        Case(
            "one right of four",
            "The right one is 1 − 0 above the others, each wrong one ⅓ below.",
            (torch.tensor([1.0, 0.0, 0.0, 0.0]), 4),
        ),
        Case("three groups of four", "Rows of one prompt stand together.", (verdicts, 4)),
        Case("the same in six groups of two", "The group's size is what `group_size` says.", (verdicts, 2)),
        Case(
            "two groups that agree",
            "Where all are right, or all wrong, every advantage is 0.",
            (torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]), 3),
        ),
        Case("scores of a reward model", "Scores may be any numbers.", (normal(1, 12), 3)),
        Case(
            "an easy and a hard prompt",
            "Each prompt has its own mean.",
            (torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 4),
        ),
        Case("a batch as large as in training", "It works for every size.", (normal(3, 1024), 8), large=True),
    ]


GROUP_ADVANTAGES = Exercise(
    group_advantages,
    outputs=("advantages",),
    cases=_group_cases,
    calls=100,
    formulas=(in_words.score_less_the_others, in_words.score_less_the_mean_scaled),
)


def _deal(score, group_size):
    """Each score's group, and the mean of the others in it."""
    groups = score.view(-1, group_size)
    return groups, (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)


@GROUP_ADVANTAGES.mistake
def compares_with_the_whole_batch(score, group_size):
    """Every reply is compared with the whole batch, so that replies to easy prompts all look good and to hard ones all
    bad. Compare within a group: score.view(-1, group_size)."""
    return score - score.mean()


@GROUP_ADVANTAGES.mistake
def compares_with_all_others_of_the_batch(score, group_size):
    """The others are those of the whole batch, of other prompts too. Only the replies to the same prompt tell what was
    to be expected there."""
    return score - (score.sum() - score) / (len(score) - 1)


@GROUP_ADVANTAGES.mistake
def deals_the_groups_wrongly(score, group_size):
    """view(group_size, -1) makes as many groups as a group has replies, and mixes prompts. Rows of one prompt stand
    together: view(-1, group_size)."""
    groups = score.view(group_size, -1)
    others = (groups.sum(dim=1, keepdim=True) - groups) / max(groups.shape[1] - 1, 1)
    return (groups - others).flatten()


@GROUP_ADVANTAGES.mistake
def averages_down_the_columns(score, group_size):
    """The mean runs down the columns, over the first replies of all prompts. Along a group it is dim=1."""
    groups = score.view(-1, group_size)
    others = (groups.sum(dim=0, keepdim=True) - groups) / max(len(groups) - 1, 1)
    return (groups - others).flatten()


@GROUP_ADVANTAGES.mistake
def counts_the_reply_itself(score, group_size):
    """The mean is that of the whole group, the reply itself included, so it is compared with a part of itself: all
    comes out (G − 1)/G as large. Take the mean of the *others*: (sum − own) / (G − 1)."""
    groups = score.view(-1, group_size)
    return (groups - groups.mean(dim=1, keepdim=True)).flatten()


@GROUP_ADVANTAGES.mistake
def divides_the_others_by_all(score, group_size):
    """The sum of the others is divided by G, and there are G − 1 of them. A group's advantages then no longer add up
    to 0."""
    groups = score.view(-1, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups) / group_size).flatten()


@GROUP_ADVANTAGES.mistake
def divides_by_the_spread(score, group_size):
    """This divides by the group's spread, as GRPO's authors did. Here it stays undivided: the lesson shows what the
    division does to easy and to hard prompts."""
    groups, others = _deal(score, group_size)
    return ((groups - others) / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


@GROUP_ADVANTAGES.mistake
def divides_by_the_spread_of_all_around_the_mean(score, group_size):
    """This is (score − mean) / std of the group, the formula of the GRPO paper. Asked for is the score less the mean of
    the others, and no division."""
    groups = score.view(-1, group_size)
    return ((groups - groups.mean(dim=1, keepdim=True)) / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


@GROUP_ADVANTAGES.mistake
def divides_by_the_spread_of_n(score, group_size):
    """This is (score − mean) / std of the group, the std divided by G. Asked for is the score less the mean of the
    others, and no division by the spread."""
    groups = score.view(-1, group_size)
    return (
        (groups - groups.mean(dim=1, keepdim=True)) / (groups.std(dim=1, keepdim=True, correction=0) + 1e-8)
    ).flatten()


@GROUP_ADVANTAGES.mistake
def divides_by_nothing_at_dead_groups(score, group_size):
    """Where all of a group agree the spread is 0, and this divides by it: NaN, and the whole model with it. Nothing is
    to be divided here."""
    groups = score.view(-1, group_size)
    return ((groups - groups.mean(dim=1, keepdim=True)) / groups.std(dim=1, keepdim=True)).flatten()


@GROUP_ADVANTAGES.mistake
def turns_it_round(score, group_size):
    """The others' mean less the score: replies that did better would become rarer."""
    groups, others = _deal(score, group_size)
    return (others - groups).flatten()


@GROUP_ADVANTAGES.mistake
def gives_the_baseline(score, group_size):
    """This is the mean of the others, the baseline. The advantage is what the score has above it."""
    return _deal(score, group_size)[1].flatten()


@GROUP_ADVANTAGES.mistake
def compares_with_the_best(score, group_size):
    """Each reply is compared with the best of its group, so none is ever above 0, and what was not tried gains. Compare
    with the mean of the others."""
    groups = score.view(-1, group_size)
    return (groups - groups.max(dim=1, keepdim=True).values).flatten()


@GROUP_ADVANTAGES.mistake
def leaves_its_own_in_the_sum(score, group_size):
    """The sum is that of the whole group, the reply's own score among it, and divided as if it were the others' alone.
    Take one's own off: (sum − own) / (G − 1)."""
    groups = score.view(-1, group_size)
    return (groups - groups.sum(dim=1, keepdim=True) / (group_size - 1)).flatten()


@GROUP_ADVANTAGES.mistake
def divides_its_own_only(score, group_size):
    """Only one's own score is divided by G − 1, since / comes before −. Brackets round the difference: (sum − own) /
    (G − 1)."""
    groups = score.view(-1, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups / (group_size - 1))).flatten()


@GROUP_ADVANTAGES.mistake
def subtracts_the_others_sum(score, group_size):
    """The sum of the others is taken off, and not their mean. Divide it by how many others there are: G − 1."""
    groups = score.view(-1, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups)).flatten()


@GROUP_ADVANTAGES.mistake
def subtracts_before_dividing(score, group_size):
    """Brackets are missing: (score − the others' sum) / (G − 1) divides the score as well. Only the others' sum is
    divided."""
    groups = score.view(-1, group_size)
    return ((groups - (groups.sum(dim=1, keepdim=True) - groups)) / (group_size - 1)).flatten()


@GROUP_ADVANTAGES.mistake
def compares_with_the_median(score, group_size):
    """Each reply is compared with the median of its group. Asked for is the mean of the others."""
    groups = score.view(-1, group_size)
    return (groups - groups.median(dim=1, keepdim=True).values).flatten()


@GROUP_ADVANTAGES.mistake
def compares_with_the_next_one(score, group_size):
    """Each reply is compared with one neighbour alone. Asked for is the mean of all the others of its group."""
    groups = score.view(-1, group_size)
    return (groups - groups.roll(-1, 1)).flatten()


# ---- dead_groups(p, group_size)


def _dead_cases() -> list[Case]:
    return [
        Case("a coin, in groups of two", "Two throws agree one time in two.", (0.5, 2)),
        Case("an easy prompt", "", (0.8, 8)),
        Case("a hard prompt", "", (0.05, 4)),
        Case("always right", "Whoever is always right agrees always.", (1.0, 8)),
        Case("never right", "Whoever is never right agrees always too.", (0.0, 4)),
        Case("a group of three", "", (0.3, 3)),
        Case("a large group", "It works for every size.", (0.4, 64), large=True),
    ]


DEAD_GROUPS = Exercise(
    dead_groups, outputs=("share",), cases=_dead_cases, calls=500, formulas=(in_words.all_right_or_all_wrong,)
)


@DEAD_GROUPS.mistake
def forgets_the_groups_that_are_all_wrong(p, group_size):
    """These are the groups in which all are right. All wrong is as dead: add (1 − p)^G."""
    return p**group_size


@DEAD_GROUPS.mistake
def forgets_the_groups_that_are_all_right(p, group_size):
    """These are the groups in which all are wrong. All right is as dead: add p^G."""
    return (1 - p) ** group_size


@DEAD_GROUPS.mistake
def gives_the_living(p, group_size):
    """This is the share of groups that do teach something. Asked for is the share that does not: 1 minus it."""
    return 1 - p**group_size - (1 - p) ** group_size


@DEAD_GROUPS.mistake
def multiplies_in_place_of_a_power(p, group_size):
    """p times G is no probability. G replies are all right with probability p · p · … · p, which is p**G."""
    return p * group_size + (1 - p) * group_size


@DEAD_GROUPS.mistake
def multiplies_the_two(p, group_size):
    """A group cannot be all right *and* all wrong. One or the other: add the two."""
    return p**group_size * (1 - p) ** group_size


@DEAD_GROUPS.mistake
def raises_the_sum(p, group_size):
    """This is 1 for every p. p and 1 − p add up to 1 before the power is taken, or a bracket is missing: the share that
    is all wrong is (1 − p)^G, and not 1 − p^G. Raise each of the two, then add."""
    return (p + (1 - p)) ** group_size


@DEAD_GROUPS.mistake
def asks_about_one_reply_fewer(p, group_size):
    """The first reply is taken as given and the others have to be like it: p^(G−1) holds only where the first is right.
    Weigh by how often it is: p · p^(G−1) + (1 − p) · (1 − p)^(G−1)."""
    return p ** (group_size - 1) + (1 - p) ** (group_size - 1)


@DEAD_GROUPS.mistake
def takes_half_of_it(p, group_size):
    """The two shares are averaged. A group is all right *or* all wrong: add them, and do not halve."""
    return (p**group_size + (1 - p) ** group_size) / 2


@DEAD_GROUPS.mistake
def takes_both_off_once(p, group_size):
    """The product is taken off, as for two things that may happen at once. A group is never all right *and* all wrong:
    just add."""
    all_right, all_wrong = p**group_size, (1 - p) ** group_size
    return all_right + all_wrong - all_right * all_wrong


@DEAD_GROUPS.mistake
def subtracts_the_two(p, group_size):
    """The one is taken off the other. Both are dead: add."""
    return p**group_size - (1 - p) ** group_size


@DEAD_GROUPS.mistake
def counts_the_half_right(p, group_size):
    """This is how often exactly half of the replies are right (a binomial share). Dead is where all are right, or all
    wrong: p^G + (1 − p)^G."""
    half = group_size // 2
    return comb(group_size, half) * p**half * (1 - p) ** (group_size - half)


@DEAD_GROUPS.mistake
def doubles_the_right_ones(p, group_size):
    """Twice the groups that are all right. All wrong happens as often only if p is ½: add (1 − p)^G in place of it."""
    return 2 * p**group_size


@DEAD_GROUPS.mistake
def always_takes_pairs(p, group_size):
    """This is for two replies, whatever `group_size` is. The power is the group's size."""
    return p**2 + (1 - p) ** 2


@DEAD_GROUPS.mistake
def raises_the_size_to_p(p, group_size):
    """Base and exponent have changed places: G^p. G replies are all right with probability p · p · … · p: p**G."""
    return group_size**p + group_size ** (1 - p)


@DEAD_GROUPS.mistake
def multiplies_right_and_wrong(p, group_size):
    """This is made of p (1 − p), which is how often two replies differ. Dead is where all are alike: each of the two
    shares to the power G, and then added."""
    return p * (1 - p) * group_size


# ---- pass_at_k(n, right, k)


def _pass_cases() -> list[Case]:
    return [
        Case("1 right of 4, one try", "With one try it is the share that is right.", (4, 1, 1)),
        Case(
            "1 right of 4, two tries",
            "Two of four are drawn without putting back: the right one is among them half the time.",
            (4, 1, 2),
        ),
        Case("as many tries as replies", "Whoever may try all finds the right one.", (4, 1, 4)),
        Case("none is right", "Where none is right, no number of tries helps.", (8, 0, 3)),
        Case("all are right", "", (8, 8, 3)),
        Case("so many right that a miss is impossible", "5 wrong ones cannot fill 6 tries.", (16, 11, 6)),
        Case("3 right of 16, four tries", "", (16, 3, 4)),
        Case("a large pool", "It works for every size.", (200, 9, 20), large=True),
    ]


PASS_AT_K = Exercise(
    pass_at_k,
    outputs=("chance",),
    cases=_pass_cases,
    calls=2000,
    formulas=(in_words.chance_that_not_all_miss,),
    bounds=(0.0, 1.0),
)


@PASS_AT_K.mistake
def draws_with_putting_back(n, right, k):
    """This is 1 − (1 − c/n)^k, as if each reply were put back after it is drawn: the same one may be tried twice, so it
    comes out too low. Draw k different ones: C(n − c, k) of C(n, k) choices miss."""
    return 1 - (1 - right / n) ** k


@PASS_AT_K.mistake
def wants_all_of_them_right(n, right, k):
    """C(c, k)/C(n, k) is the chance that all k are right. One is enough: 1 minus the chance that none is."""
    return comb(right, k) / comb(n, k)


@PASS_AT_K.mistake
def forgets_the_one_minus(n, right, k):
    """This is the chance that all k tries miss. Take it from 1."""
    return comb(n - right, k) / comb(n, k)


@PASS_AT_K.mistake
def asks_whether_any_is_right(n, right, k):
    """This is 1 as soon as any of the n is right, and 0 else. Whether any is right does not depend on k: that is
    pass@n, whatever k was asked. Or it was rounded: // cuts off all behind the point, and one / is meant."""
    return float(right > 0)


@PASS_AT_K.mistake
def gives_the_share(n, right, k):
    """This is pass@1, the share that is right; k does not come in."""
    return right / n


@PASS_AT_K.mistake
def multiplies_the_share(n, right, k):
    """Chances do not add up: with 60 in 100 right, two tries would be right 120 times. Both may be right; count what
    misses instead."""
    return k * right / n


@PASS_AT_K.mistake
def looks_at_the_first_only(n, right, k):
    """C(c, 1) · C(n − c, k − 1) counts the choices with exactly one right reply. Two or more are as good."""
    return right * comb(n - right, k - 1) / comb(n, k)


@PASS_AT_K.mistake
def takes_the_wrong_ones_for_the_right(n, right, k):
    """`right` says how many are right; those that miss are the n − right others."""
    return 1 - comb(right, k) / comb(n, k)


@PASS_AT_K.mistake
def does_not_divide(n, right, k):
    """The choices that miss are counted, and never divided by all choices, C(n, k)."""
    return 1 - comb(n - right, k)


@PASS_AT_K.mistake
def holds_the_share_at_one(n, right, k):
    """Chances do not add up, and to cut them off at 1 does not mend it. Count what misses: C(n − c, k) of C(n, k)."""
    return min(1.0, k * right / n)


@PASS_AT_K.mistake
def misses_one_after_the_other_and_forgets_who_is_gone(n, right, k):
    """Of the wrong ones one fewer is left after each try, and of all replies too. Here only one of the two shrinks."""
    miss = 1.0
    for i in range(k):
        miss *= max(n - right - i, 0) / n
    return 1 - miss


@PASS_AT_K.mistake
def lets_k_be_the_right_ones(n, right, k):
    """`right` does not come in: from n are taken the tries, and not the right ones. What misses is chosen from n −
    right."""
    return 1 - comb(n - k, k) / comb(n, k)


@PASS_AT_K.mistake
def draws_one_too_many(n, right, k):
    """This is the chance with k + 1 tries. It is k that are drawn: C(n − right, k) of C(n, k) choices miss."""
    return 1 - comb(n - right, k + 1) / comb(n, k + 1) if k < n else 1.0


@PASS_AT_K.mistake
def turns_the_fraction_round(n, right, k):
    """The fraction stands upside down: it is the choices that miss, C(n − right, k), divided by all, C(n, k)."""
    return 1 - comb(n, k) / comb(n - right, k) if comb(n - right, k) else 1.0


@PASS_AT_K.mistake
def draws_from_one_reply_less(n, right, k):
    """One reply is missing from those that are drawn from: there are n in all, of which n − right miss."""
    return 1 - comb(n - 1 - right, k) / comb(n - 1, k) if n - 1 >= max(k, right) else 1.0


@PASS_AT_K.mistake
def draws_those_that_are_left(n, right, k):
    """C(…, n − k) counts what is *not* tried. Of those that miss, k are drawn: C(n − right, k)."""
    return 1 - comb(n - right, n - k) / comb(n, n - k)


@PASS_AT_K.mistake
def wants_all_right_with_putting_back(n, right, k):
    """(c/n)^k is the chance that k tries are all right, each put back. One is enough, and none is put back: 1 minus the
    chance that all miss."""
    return (right / n) ** k


@PASS_AT_K.mistake
def gives_the_miss_with_putting_back(n, right, k):
    """This is the chance that all k miss, if each is put back. Take it from 1, and draw k different ones."""
    return (1 - right / n) ** k
