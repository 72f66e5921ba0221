"""The tables of the classroom, beside the store's own: rooms, what is asked in them, who sits there, what is learned.

The votes themselves are the store's events, as a card's are. What stands of them is a table of its own, whose key
(room, voter, question) lets nobody have two votes on a question, however many tabs or servers there are.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

rooms = sa.Table(
    "class_rooms",
    metadata,
    sa.Column("code", sa.String, primary_key=True),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("secret", sa.String, nullable=False),  # signs the seats' cookies
    sa.Column("teacher", sa.String, nullable=False),  # the digest of the teacher's token, which nobody can read back
    sa.Column("opened", sa.String, nullable=False),
    sa.Column("closes", sa.String, nullable=False),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("phase", sa.String, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("revealed", sa.Integer, nullable=False),
    # What a page has seen: one counter for what every phone must know, one for what only the screens show.
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("votes", sa.Integer, nullable=False),
)
questions = sa.Table(
    "class_questions",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("question", sa.JSON, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
)
members = sa.Table(
    "class_members",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("nickname", sa.String, nullable=False),
    sa.Column("origin", sa.String, nullable=False),  # human or simulated
    sa.Column("removed", sa.Boolean, nullable=False),
)
standing = sa.Table(
    "class_standing",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("question", sa.String, primary_key=True),
    sa.Column("vote", sa.String, nullable=False),  # the id of the event
    sa.Column("says", sa.JSON, nullable=False),  # the answer, in positions of the question
)
jobs = sa.Table(
    "class_jobs",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("method", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),  # asked, running, done, failed
    sa.Column("total", sa.Integer, nullable=False),  # how many records there will be
    sa.Column("records", sa.JSON, nullable=False),
    sa.Column("words", sa.String, nullable=False),
    sa.Column("result", sa.JSON),  # what is revealed: before and after, weights, receipts
)
# What a round is for, where it is not an ordinary one. Tables of their own, for rooms that are open already lack them.
kinds = sa.Table(
    "class_kinds",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),  # what was drawn for it by lot
)
pupils = sa.Table(
    "class_pupils",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("school", sa.Integer, nullable=False),  # 0 or 1
)
paper = sa.Table(  # which of the members are hands that were counted, without a phone
    "class_paper",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)
keeping = sa.Table(  # beside the rooms, of which an older database has some without it
    "class_keeping",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("until", sa.String),  # when all of the room is deleted; nothing: when somebody says so
    sa.Column("asked", sa.Integer, nullable=False),  # counts the minutes in which somebody asked for the room
)
guesses = sa.Table(
    "class_guesses",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("model", sa.Integer, nullable=False),  # 1 or 2: which one this voter's school has made
)
cards = sa.Table(  # where there are any, each lets one in, once
    "class_cards",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("card", sa.String, primary_key=True),  # a digest
    sa.Column("voter", sa.String),  # who came in with it
)
arrivals = sa.Table(  # in which order those who joined came, hands on paper not among them
    "class_arrivals",
    metadata,
    sa.Column("room", sa.String, primary_key=True),
    sa.Column("voter", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)
EVERYTHING = (rooms, questions, members, standing, jobs, kinds, pupils, guesses, paper, keeping, cards, arrivals)
