"""Votes out of other people's files: hh-rlhf, UltraFeedback, Label Studio and Argilla.

Each reader takes one row and returns the votes in it. Of the voters only a number is kept, never a name or an address.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from typing import Any

from minirlhf.feedback.formats.conversation import ASSISTANT, HUMAN
from minirlhf.feedback.formats.trl_rows import NO_TIME, Fields, choice, imported, pair
from minirlhf.feedback.votes import Answer, Better, Question, Ranking, Skip, Tie, Vote
from minirlhf.files.columns import moment, number, require_different, required, text
from minirlhf.files.messages import listed, shown

SIDES = {"left": 0, "right": 1}


def hh_rlhf_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """Anthropic's hh-rlhf: two whole transcripts, the same up to the assistant's last answer."""
    chosen, rejected = text(row, "chosen"), text(row, "rejected")
    require_different(chosen, rejected)
    before, mark, _ = chosen.rpartition(ASSISTANT)
    prompt = before + mark
    replies = chosen[len(prompt) :], rejected[len(prompt) :]
    if not (mark and rejected.startswith(prompt)) or any(HUMAN in reply for reply in replies):
        raise ValueError(
            "'chosen' and 'rejected' do not share a prompt: only what follows the last 'Assistant:' may differ; "
            "drop the row."
        )
    for column, reply in zip(("chosen", "rejected"), replies, strict=True):
        if not reply.strip():
            raise ValueError(f"the last answer in '{column}' is empty; fill it in, or drop the row.")
    return [choice(prompt, *replies, fields.voter)]


def ultrafeedback_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """UltraFeedback, binarized: the better and the worse of two replies by a model's scores; equal scores tie."""
    chosen, rejected = number(row, "score_chosen"), number(row, "score_rejected")
    if chosen < rejected:
        raise ValueError(
            f"the chosen reply has the lower score ({chosen} and {rejected}); swap the two, or drop the row."
        )
    return [choice(*pair(row, fields), fields.voter, tie=chosen == rejected)]


def label_studio_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """A task of Label Studio with a <Pairwise> tag: an annotation of each person, left or right or skipped."""
    data = required(row, "data", dict)
    try:
        prompt, left, right = (text(data, name) for name in (fields.prompt, fields.left, fields.right))
    except ValueError as error:
        raise ValueError(f"in 'data', {error} Other names are said by prompt=…, left=… and right=….") from None
    question = Question("pair", prompt, (left, right))
    votes = [_annotation(question, found) for found in required(row, "annotations", list, dict)]
    if not all(isinstance(vote.answer, Skip) for vote in votes):  # nothing is wrong with passing over equal replies
        require_different(left, right, f"'{fields.left}' and '{fields.right}'")
    return votes


def _annotation(question: Question, annotation: dict[str, Any]) -> Vote:
    results = required(annotation, "result", list, dict)
    answer: Answer = Skip()
    if results and not annotation.get("was_cancelled"):
        pairwise = [result for result in results if result.get("type") == "pairwise"]
        if len(pairwise) != 1:
            raise ValueError(
                f"an annotation holds {len(pairwise)} results of type 'pairwise' and should hold one; "
                "drop it, or export a project with one <Pairwise> tag."
            )
        side = required(pairwise[0], "value", dict).get("selected")
        if not isinstance(side, str) or side not in SIDES:
            raise ValueError(f"'selected' is {shown(side)}, and must be left or right; fix it, or drop the annotation.")
        answer = Better(SIDES[side])
    person = annotation.get("completed_by")
    seconds = annotation.get("lead_time")
    return imported(
        question,
        answer,
        _pseudonym("Label Studio", person.get("id") if isinstance(person, dict) else person),
        _time(annotation, "created_at"),
        None if seconds is None else round(1000 * number(annotation, "lead_time")),
    )


def _pseudonym(tool: str, person: Any) -> str:
    """A voter by the tool's own number for them, or by one made of whatever it has instead: that may be an address."""
    if person is None:
        return tool
    number = person if isinstance(person, int) else sha256(repr(person).encode(errors="replace")).hexdigest()[:8]
    return f"{tool} {number}"


def _time(row: dict[str, Any], column: str) -> datetime:
    """When, as far as the row says; a time without a zone is taken for UTC."""
    if row.get(column) is None:
        return NO_TIME
    time = moment(row, column)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def argilla_votes(row: dict[str, Any], fields: Fields) -> list[Vote]:
    """A record of Argilla 1.x with a ranking question: a response of each person, of which the submitted count."""
    columns = [fields.question] if fields.question else [name for name in row if is_ranking(row[name])]
    if len(columns) > 1:
        raise ValueError(f"there is more than one ranking ({listed(columns)}); say which by question=….")
    votes: list[Vote] = []
    for column in columns:
        required(row, column, dict if isinstance(row.get(column), dict) else list)
        for response in _by_rows(row[column]):
            if response.get("status") == "submitted":
                votes += _ranked(row, response, _pseudonym("Argilla", response.get("user_id")), fields)
    return votes


def is_ranking(value: Any) -> bool:
    """Whether a column holds responses to a ranking question, at least one of them."""
    return any(
        {"user_id", "value", "status"} <= set(response)
        and any(set(option) == {"rank", "value"} for option in _by_rows(response["value"]))
        for response in _by_rows(value)
    )


def _by_rows(value: Any) -> list[dict[str, Any]]:
    """A list of objects, however it is kept: `datasets` used to turn it into an object of lists."""
    if isinstance(value, dict) and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, row, strict=False)) for row in zip(*value.values(), strict=False)]
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _ranked(row: dict[str, Any], response: dict[str, Any], voter: str, fields: Fields) -> list[Vote]:
    """One ranking as votes. A ranking of ours has no ties, so one that has becomes a vote on each pair in it."""
    options = _by_rows(response.get("value"))
    ranks = {required(option, "value", str): required(option, "rank", int) for option in options}
    names = [column for column in row if column in ranks]  # replies stand as the record lists them
    if len(names) < 2 or len(names) < len(options):
        raise ValueError(
            f"a ranking of {listed(ranks) or 'nothing'} must name two or more columns of the record, each once; "
            "name the options like the columns, or drop the record."
        )
    prompt, replies = text(row, fields.prompt), [text(row, name) for name in names]
    for first, second in combinations(range(len(names)), 2):
        require_different(replies[first], replies[second], f"'{names[first]}' and '{names[second]}'")
    places = [ranks[name] for name in names]
    if len(names) > 2 and len(set(places)) == len(places):
        order = tuple(sorted(range(len(places)), key=places.__getitem__))
        return [imported(Question("ranking", prompt, tuple(replies)), Ranking(order), voter)]
    return [
        imported(Question("pair", prompt, pair), _between(ranked), voter)
        for pair, ranked in zip(combinations(replies, 2), combinations(places, 2), strict=True)
    ]


def _between(ranks: Sequence[int]) -> Answer:
    """What two ranks say, of which 1 is the best."""
    return Tie() if ranks[0] == ranks[1] else Better(0 if ranks[0] < ranks[1] else 1)
