"""A teacher, a screen and five phones, each in a browser of its own, go through a whole session that really trains."""

import re

import pytest
from playwright.sync_api import expect
from room import HOSTILE
from test_classroom_pages import Visitors, asked, counts, press

from minirlhf import classroom

pytestmark = pytest.mark.browser


def vote_for_the_longer(phone, times, first=0):
    for n in range(first, first + times):
        _, replies = asked(phone)
        press(phone, f"{'AB'[len(replies[1]) > len(replies[0])]} is better")
        counts(phone, f"{n + 1} of 24")


def test_five_phones_vote_a_model_learns_and_answers_anew_and_the_second_round_asks_about_it(
    chromium, tmp_path, monkeypatch
):
    monkeypatch.setenv("MINIRLHF_LESSONS", str(tmp_path))
    session = classroom.open(port=0, seats=20, store=tmp_path / "votes.db")
    visitors = Visitors(chromium, session.address)
    try:
        screen, panel = visitors.visit("screen", session), visitors.visit("teach", session)
        names = ("Ada", HOSTILE[:24], "", "مرحبا", "Bo")
        phones = [visitors.phone(session, name) for name in names]
        expect(panel.locator("#questions > li")).to_have_count(24, timeout=90_000)  # the model has written them
        press(panel, "Open the vote")
        for phone in phones:
            expect(phone.locator(".minirlhf-card .mc-reply")).to_have_count(2)
            vote_for_the_longer(phone, 5)
        phones[0].context.set_offline(True)
        vote_for_the_longer(phones[0], 1, first=5)
        phones[0].context.set_offline(False)
        phones[1].reload()
        counts(phones[1], "5 of 24")
        expect(panel.locator("#numbers")).to_contain_text("26 votes")
        panel.get_by_role("button", name=re.compile("^Close the vote .5 of 5")).click()
        panel.get_by_role("radio", name=re.compile("DPO")).check()
        press(panel, "Train now with DPO")
        expect(panel.get_by_role("button", name="Show the first pair")).to_be_visible(timeout=90_000)
        press(panel, "Show the first pair")
        expect(screen.locator(".side.after .said")).not_to_be_empty()
        for n in range(2, 7):
            press(panel, f"Show pair {n} of 6")
            expect(screen.locator("#step")).to_contain_text(f"{n} of 6")
        press(panel, "Show what we paid for")
        expect(screen.locator(".words li").first).to_be_visible()
        for phone in phones:
            expect(phone.locator("#receipt")).to_contain_text("Of your")
        press(panel, "Open round 2")
        for phone in phones:
            counts(phone, "0 of 24")
        vote_for_the_longer(phones[0], 2)
        expect(panel.locator("#numbers")).to_contain_text("2 votes")
        assert {vote.question.models for vote in session.votes()} == {("SFT", "SFT"), ("RLHF", "RLHF")}
    finally:
        for context in visitors.contexts:
            context.close()
        session.close()
    assert not visitors.wrong
