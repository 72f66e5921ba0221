"""The bench's arithmetic. No time is asserted here: that is what `make bench` is for."""

import json
import os
import sys
from dataclasses import replace
from functools import partial
from threading import Event

import pytest
import torch

from minirlhf.course.bench.machine import Sizes, Update, cost_of, import_seconds, matmul_rate
from minirlhf.course.bench.measure import fair_share, time_to
from minirlhf.course.bench.ours import count_a, our_updates
from minirlhf.course.bench.partner import at_work, partner, spinning
from minirlhf.course.bench.row import HEAD, Row, quotients
from minirlhf.course.bench.table import write
from minirlhf.course.bench.trl_ppo import CountReward
from minirlhf.machine.runtime import WAITING
from minirlhf.model import GPT, CausalLM, GPTConfig

TINY = Sizes(width=4, layers=1, vocabulary=10, prompt=2, response=3, episodes=2, epochs=3)


def row(values, hold, aim, theirs=(1.0,)) -> Row:
    return Row("a row", "s", ours=[1.0], theirs=theirs, values=values, hold=hold, aim=aim)


def test_the_floor_counted_by_hand():
    # A layer: queries, keys, values 4 × 12, out 4 × 4, feed-forward 4 × 16 twice; the head 4 × 10.
    assert TINY.parameters == (48 + 16 + 64 + 64) + 40 == 232
    # Two rows of five tokens, and each of the 232 is multiplied and added once a token.
    assert TINY.forward_flop == 2 * 232 * 10 == 4640
    # Four passes forward; in each of three epochs two networks, each at three times a pass forward.
    assert TINY.ppo_flop == 4 * 4640 + 3 * 2 * 13920 == 102_080


def test_the_floor_of_the_comparison_is_the_one_that_was_seen_beforehand():
    seconds = Sizes().ppo_flop / (2 * 95e9)  # design.md: two cores at 95 GFLOP/s, about 0.6 s
    assert seconds == pytest.approx(0.575, abs=0.001)


def test_our_model_has_the_parameters_that_the_floor_counts():
    sizes = Sizes()
    model = CausalLM(GPT(GPTConfig(vocab_size=sizes.vocabulary, layers=sizes.layers, channels=sizes.width)))
    products = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "position" not in name)
    assert products - sizes.width == sizes.parameters  # the padding's row of the embedding enters no product


def test_a_speed_up_is_better_when_larger_and_a_multiple_of_the_floor_when_smaller():
    assert [row([x], hold=3.0, aim=4.0).verdict for x in (2.9, 3.0, 4.0)] == ["MISSED", "holds", "aim"]
    assert [row([x], hold=2.5, aim=1.5).verdict for x in (2.6, 2.5, 1.5)] == ["MISSED", "holds", "aim"]


def test_quotients_are_taken_within_a_round():
    assert quotients([2.0, 40.0], [1.0, 10.0]) == [2.0, 4.0]  # the second round was disturbed, both sides of it
    with pytest.raises(ValueError):
        quotients([1.0], [])


def test_one_disturbed_round_does_not_decide():
    assert row([4.1, 0.3, 4.2], hold=3.0, aim=4.0).verdict == "aim"


def test_the_table_shows_a_ratio_or_an_amount():
    assert HEAD.index("verdict") == str(row([4.0], hold=3.0, aim=4.0)).index("aim")
    assert "4×" in str(row([4.0], hold=3.0, aim=4.0))
    assert "12.3 s" in str(row([12.34], hold=20.0, aim=8.0, theirs=()))


def test_the_json_holds_every_round_and_the_verdict(tmp_path):
    write([row([3.5, 3.0, 4.0], hold=3.0, aim=4.0)], tmp_path / "new" / "bench.json")
    found = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert found["machine"].keys() == {"python", "torch", "system", "cores", "threads", "wait_policy"}
    assert found["rows"] == [
        {
            "what": "a row",
            "unit": "s",
            "ours": [1.0],
            "theirs": [1.0],
            "values": [3.5, 3.0, 4.0],
            "median": 3.5,
            "min": 3.0,
            "max": 4.0,
            "hold": 3.0,
            "aim": 4.0,
            "verdict": "holds",
        }
    ]


def test_the_rate_is_a_number_of_products_a_second():
    assert 1e8 < matmul_rate(3) < 1e15  # between a pocket calculator and a room full of machines


def test_a_commands_peak_is_its_own_and_not_that_of_the_process_that_started_it():
    cost = cost_of(sys.executable, "-c", "b'x' * 50_000_000")
    assert 50e6 < cost.peak_bytes < 100e6  # this one holds torch, which alone is more


def test_a_command_that_fails_is_not_measured():
    with pytest.raises(ChildProcessError, match="exit code 3"):
        cost_of(sys.executable, "-c", "raise SystemExit(3)")


def test_import_time_leaves_torch_out():
    assert import_seconds("torch") < 0.5  # it takes a second or two, and is there already


@pytest.mark.parametrize("counts", [True, False])
def test_our_side_of_the_comparison_runs(counts):
    updates = list(our_updates(replace(TINY, count_a=counts), 2))
    assert len(updates) == 2 and all(update.seconds > 0 for update in updates)


def test_both_sides_count_the_same_and_leave_the_prompt_out():
    tokens = torch.tensor([[1, 1, 0, 1, 1], [0, 1, 2, 0, 0]])
    response = torch.tensor([[False, False, True, True, True]] * 2)
    assert count_a(tokens, response).tolist() == [2, 0]
    assert CountReward(prompt=2).count(tokens).hidden_states[-1][:, -1, 0].tolist() == [2, 0]


def test_the_time_to_a_score_ends_with_the_update_that_sampled_it():
    run = [Update(1.0, 6.0), Update(2.0, 7.5), Update(4.0, 8.0)]
    assert time_to(7.0, iter(run)) == 3.0
    assert time_to(9.0, iter(run)) == float("inf")  # it was not reached


def test_a_fair_share_is_a_part_of_the_cores_and_never_less_time_than_alone():
    assert [fair_share(1.0, processes, 2.0) for processes in (1, 2, 4)] == [1.0, 2.0, 4.0]
    assert [fair_share(1.0, processes, 4.0) for processes in (1, 2, 4)] == [1.0, 1.0, 2.0]
    assert [fair_share(1.0, processes, 1.0) for processes in (1, 2, 4)] == [1.0, 2.0, 4.0], "alone it had one core too"


@pytest.mark.parametrize("module", ["ours", "generate"])
def test_the_sides_that_run_elsewhere_answer_each_turn(module):
    with partner(f"minirlhf.course.bench.{module}", TINY.as_json(), environment=spinning()) as once:
        assert all(once()["seconds"] > 0 for _ in range(2))


@pytest.fixture
def counter(tmp_path, monkeypatch):
    """A module for partners, which says at each turn which one it is; it stops at the one that its argument names."""
    (tmp_path / "counter.py").write_text(f"""
import json, os, sys
for turn, _ in enumerate(sys.stdin):
    print(json.dumps({{"turn": turn, "process": os.getpid(), "waits": os.environ.get("{WAITING}")}}), flush=True)
    if sys.argv[1:] == [str(turn)]:
        sys.exit("this far and no further")
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(WAITING, "PASSIVE")
    return "counter"


def exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_partner_works_once_a_turn_and_is_gone_afterwards(counter):
    with partner(counter) as once:
        process = once()["process"]
        assert [once()["turn"], once()["turn"]] == [1, 2]
        assert exists(process)
    assert not exists(process)


def test_a_partner_that_stops_is_an_error_and_no_answer(counter):
    with partner(counter, "3") as once, pytest.raises(OSError):
        while True:
            once()


def test_a_partner_that_no_longer_listens_is_that_error_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "deaf.py").write_text("import os; os.close(0); print('{}', flush=True)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with partner("deaf") as once, pytest.raises(ChildProcessError, match="deaf stopped"):
        while True:
            once()


def test_rivals_wait_as_ours_does_and_others_as_nobody_told_them_to(counter):
    with partner(counter) as rival, partner(counter, environment=spinning()) as other:
        assert (rival()["waits"], other()["waits"]) == ("PASSIVE", None)


def test_ctrl_c_leaves_no_rival_behind(counter):
    process = None
    with pytest.raises(KeyboardInterrupt), partner(counter) as once:
        process = once()["process"]
        with at_work([once]):
            raise KeyboardInterrupt
    assert process and not exists(process)


def test_rivals_work_all_the_while_and_then_no_longer():
    turns, busy = [0, 0], [Event(), Event()]

    def rival(number: int) -> None:
        turns[number] += 1
        if turns[number] == 5:
            busy[number].set()

    with at_work([partial(rival, 0), partial(rival, 1)]):
        assert all(event.wait(timeout=30) for event in busy)
    done = list(turns)
    with at_work([]):
        assert turns == done


def test_a_rival_that_failed_was_none():
    def fails():
        raise ChildProcessError("stopped")

    with pytest.raises(ChildProcessError), at_work([fails]):
        pass
