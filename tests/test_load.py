"""A crowd votes in a room on a server of its own, while PPO trains: nobody is turned away, every vote counts once.

How quick it is, tests/load.py says on a quiet machine; here only what nobody would wait for fails.
"""

import pytest
from load import Load, measure

pytestmark = [pytest.mark.alone, pytest.mark.slow]


def test_a_hundred_vote_within_a_second_while_a_model_trains():
    found = measure(Load(voters=100, train=True))
    assert found.failures == 0 and found.votes_sent == found.votes_kept == 100
    assert found.vote_slowest < 5


def test_a_class_votes_at_its_own_pace_and_changes_its_mind():
    found = measure(Load(voters=30, think=2.0, minutes=0.2))
    assert found.failures == 0 and 0 < found.votes_kept <= found.votes_sent
    assert found.vote_median < 0.04  # what TCP waits for a receipt, where it may: see classroom/server.py
