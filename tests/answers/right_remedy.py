"""Wrong answers to right_remedy, as learners write them; behind each stands what a good thought speaks of."""

from minirlhf.worlds.helpdesk import PROBLEMS, read
from minirlhf.worlds.helpdesk_gold import remedies_in


def among_them(prompt, reply):  # other|more|set|only
    return read(prompt).problem in remedies_in(reply)


def any_remedy(prompt, reply):  # customer|problem|whose|this
    return bool(remedies_in(reply))


def exactly_one(prompt, reply):  # customer|problem|which|this
    return len(remedies_in(reply)) == 1


def text_against_set(prompt, reply):  # set
    return remedies_in(reply) == read(prompt).problem


def set_of_letters(prompt, reply):  # letter|set
    return remedies_in(reply) == set(read(prompt).problem)


def turned_round(prompt, reply):  # turned|opposite|inverted|changed places
    return remedies_in(reply) != {read(prompt).problem}


def empty_too(prompt, reply):  # empty|nothing|none|comparison
    return remedies_in(reply) <= {read(prompt).problem}


def the_set_itself(prompt, reply):  # True|False|bool|yes|no
    return remedies_in(reply) & {read(prompt).problem}


def prompt_and_reply_swapped(prompt, reply):  # reply|prompt
    return remedies_in(prompt) == {read(prompt).problem}


def whole_asked(prompt, reply):  # problem
    return remedies_in(reply) == {read(prompt)}


def remedies_of_both(prompt, reply):  # prompt
    return remedies_in(prompt + reply) == remedies_in(prompt)


def the_first_verifier(prompt, reply):  # other|remedies_in|whole|capital|empty|nothing
    asked, said = read(prompt), reply.strip().lower()
    return any(text.format(item=asked.item).lower() in said for text in PROBLEMS[asked.problem].remedies)


def prompt_for_problem(prompt, reply):  # read|problem
    return remedies_in(reply) == {prompt}


def is_instead_of_equal(prompt, reply):  # is|==
    return remedies_in(reply) is {read(prompt).problem}  # noqa: F632


def right_by_unpacking(prompt, reply):
    found = list(remedies_in(reply))
    if len(found) != 1:
        return False
    return found[0] == read(prompt).problem


def right_by_two_conditions(prompt, reply):
    said = remedies_in(reply)
    return len(said) == 1 and read(prompt).problem in said


def right_by_difference(prompt, reply):
    return not (remedies_in(reply) ^ {read(prompt).problem})


def right_by_sorted(prompt, reply):
    return sorted(remedies_in(reply)) == [read(prompt).problem]


def no_wrong_one(prompt, reply):  # none|nothing|empty|at all|without any
    return not (remedies_in(reply) - {read(prompt).problem})


def not_in_it(prompt, reply):  # not|turned|round|opposite
    return read(prompt).problem not in remedies_in(reply)


def problem_in_reply(prompt, reply):  # remedies_in|name|word
    return read(prompt).problem in reply


def or_instead_of_and(prompt, reply):  # other|one|single|and|or
    return len(remedies_in(reply)) == 1 or read(prompt).problem in remedies_in(reply)


def set_in_set(prompt, reply):  # set|unhashable
    return remedies_in(reply) in {read(prompt).problem}


def superset(prompt, reply):  # other|more|only|==
    return remedies_in(reply) >= {read(prompt).problem}


def always_yes(prompt, reply):  # everything|True for all|always
    return {read(prompt).problem} == {read(prompt).problem}


def first_of_them(prompt, reply):  # other|only|single|one
    found = sorted(remedies_in(reply))
    return bool(found) and found[0] == read(prompt).problem


def lowercase_only(prompt, reply):  # capital
    return reply == reply.lower() and remedies_in(reply) == {read(prompt).problem}
