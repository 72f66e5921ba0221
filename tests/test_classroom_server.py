"""What test_classroom.py holds of a room, once more with its votes in a PostgreSQL: none of it may depend on that."""

import pytest
import room as rooms_of_tests
import test_classroom
from test_classroom import *  # noqa: F403
from test_store_server import server  # noqa: F401

from minirlhf.feedback.store import FeedbackStore

pytestmark = pytest.mark.server

del test_a_full_disk_is_said_and_nothing_is_acknowledged  # noqa: F821  its disk is full by a limit that is SQLite's


@pytest.fixture(scope="module", autouse=True)
def databases(server):  # noqa: F811
    """A database for every file that these tests name."""
    made: dict[object, FeedbackStore] = {}

    def store(where):
        if where not in made:
            server.ask(f"CREATE DATABASE room{len(made)}")
            made[where] = FeedbackStore(server.url(f"room{len(made)}"))
        return made[where]

    with pytest.MonkeyPatch.context() as patch:
        for module in (rooms_of_tests, test_classroom):
            patch.setattr(module, "FeedbackStore", store)
        yield made
    for each in made.values():
        each.close()


def test_they_really_are_on_a_server(room, server):  # noqa: F811
    name = room.store.where.rsplit("/", 1)[1]
    assert room.store.path is None and (name,) in server.ask("SELECT datname FROM pg_database")
