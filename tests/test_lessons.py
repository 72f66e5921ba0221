"""`show` shows the code that runs, and `check` names a mistake, forgives everything and believes only what is right."""

import ast
import inspect
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError, replace
from time import perf_counter

import pytest
import torch
import torch.nn.functional as F

import minirlhf
from minirlhf.advantages import gae
from minirlhf.course.check import author, check, diagnoses, progress, show
from minirlhf.course.check import checking as checking_module
from minirlhf.course.check import showing as showing_module
from minirlhf.course.check.checking import examine, examine_here
from minirlhf.course.check.deadline import Deadline, TimeUp
from minirlhf.course.exercises import EXERCISES
from minirlhf.losses import bradley_terry_loss, sft_loss
from minirlhf.ops import masked_mean, token_log_probs

EACH = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
GAE = EXERCISES["gae"]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    """No test writes into the learner's folder."""
    monkeypatch.setenv("MINIRLHF_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are quicker with one thread, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def from_source(source, name, **names):
    """A function as a notebook makes it: from text, with torch at hand."""
    namespace = {"torch": torch, "F": F, **names}
    exec(textwrap.dedent(source), namespace)
    return namespace[name]


def as_a_learner(exercise):
    """The package's own source under the name my_…, as somebody who copied the solution would have it."""
    solution = inspect.unwrap(exercise.solution)
    tree = ast.parse(inspect.getsource(solution))
    tree.body[0].name = f"my_{exercise.name}"
    return from_source(ast.unparse(tree), f"my_{exercise.name}", **vars(inspect.getmodule(solution)))


# ---- known mistakes


@EACH
def test_every_exercise_knows_four_mistakes_and_its_cases_end_with_a_large_one(exercise):
    assert len(exercise.mistakes) >= 4
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert len({mistake.hint for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert [case.large for case in exercise.cases()] == [False] * (len(exercise.cases()) - 1) + [True]


@EACH
def test_a_known_mistake_gets_its_own_hint(exercise):
    """Each gets its own, so no two are mistaken for one another."""
    for mistake in exercise.mistakes:
        verdict = examine_here(mistake.wrong, exercise)
        assert (verdict.outcome, verdict.mistake) == ("wrong", mistake.name)
        assert verdict.messages[0].startswith("✗")
        assert verdict.messages[1].startswith("What fails: ")
        assert verdict.messages[2].startswith("Where: ")
        assert verdict.messages[3] == f"The thought: {mistake.hint}"
        assert verdict.messages[-1].endswith(f"show({exercise.name}) shows it.")
    last = exercise.mistakes[-1]
    assert examine(last.wrong, exercise) == examine_here(last.wrong, exercise), "as it comes out of the copy"


def test_a_mistake_is_recognised_even_if_an_empty_row_is_treated_differently():
    def my_masked_mean(x, mask):
        return ((x * mask).sum(dim=1) / mask.sum(dim=1)).mean()  # NaN for a row with no token

    assert examine(my_masked_mean, EXERCISES["masked_mean"]).mistake == "mean of the rows means"


def test_where_the_answers_part_is_shown_side_by_side(capsys, monkeypatch):
    monkeypatch.setattr(diagnoses, "LONGEST_SEARCH", 0.1)  # it is not the thought that this is about

    def my_gae(rewards, values, mask, gamma, lam):
        advantages, returns = gae(rewards, values, mask, gamma, lam)
        advantages[min(1, len(mask) - 1), 4] = 77.0
        return advantages, returns

    check(my_gae)
    said = capsys.readouterr().out
    place = re.search(r"advantages\[(\d), 4\]: yours 77, ours ", said)
    assert place
    yours, ours = (line.split()[1:] for line in said.splitlines() if line.startswith(("    yours", "    ours")))
    assert yours[4] == "77" and yours[:4] == ours[:4] and yours[5:] == ours[5:]
    assert "gamma = " in said and "lam = " in said and "rewards = torch.tensor([[" in said


def test_numbers_left_where_the_mask_is_false_have_a_thought_of_their_own():
    def my_gae(rewards, values, mask, gamma, lam):
        advantages, returns = gae(rewards, values, mask, gamma, lam)
        return torch.where(mask, advantages, 3.0), returns

    assert "Where the mask is False, 0 has to stand" in str(examine(my_gae, GAE))


# ---- right answers


@EACH
def test_the_packages_own_source_passes_and_drives_the_lesson(exercise, capsys):
    answer = as_a_learner(exercise)
    checked = check(answer)
    assert author(checked) == f"your my_{exercise.name}"
    assert capsys.readouterr().out.startswith(f"✓ my_{exercise.name} is right")
    for case in exercise.cases():
        torch.testing.assert_close(checked(*case.inputs), exercise.solution(*case.inputs))


def test_a_mean_by_loop_in_place_and_by_product_all_pass():
    def by_loop(x, mask):
        total, n = 0.0, 0
        for row, counts in zip(x, mask, strict=True):
            for number, counted in zip(row, counts, strict=True):
                if counted:
                    total, n = total + number, n + 1
        return total / n

    def in_place(x, mask):
        x *= mask
        return x.sum() / mask.sum()

    def by_product(x, mask):
        return (x * mask).sum() / mask.sum()

    for answer in (by_loop, in_place, by_product):
        assert examine(answer, replace(EXERCISES["masked_mean"], calls=1)).outcome == "right"


def test_gae_without_a_loop_over_tokens_passes():
    def my_gae(rewards, values, mask, gamma, lam):
        """A_t = Σ_k (γλ)^k δ_{t+k}, as one product with a triangular matrix."""
        values = values * mask
        later = torch.cat([values[:, 1:], torch.zeros(len(values), 1)], dim=1)
        deltas = (rewards + gamma * later - values) * mask
        T = rewards.shape[1]
        distance = torch.arange(T)[None, :] - torch.arange(T)[:, None]
        decay = torch.where(distance >= 0, (gamma * lam) ** distance.clamp(min=0).float(), 0.0)
        advantages = (deltas @ decay.T) * mask
        return [advantages, (advantages + values) * mask]

    assert examine(my_gae, GAE).outcome == "right"


def test_bradley_terry_by_softplus_row_by_row_and_by_cross_entropy_all_pass():
    def by_softplus(chosen, rejected):
        return F.softplus(rejected - chosen).mean()

    def row_by_row(chosen, rejected):
        return sum(-F.logsigmoid(c - r) for c, r in zip(chosen, rejected, strict=True)) / len(chosen), {}

    def by_cross_entropy(chosen, rejected, preference=None, margin=0.0):
        logits = torch.stack([chosen - margin, rejected], dim=1)
        p = torch.ones_like(chosen) if preference is None else preference
        return F.cross_entropy(logits, torch.stack([p, 1 - p], dim=1))

    for answer in (by_softplus, row_by_row, by_cross_entropy):
        assert examine(answer, EXERCISES["bradley_terry_loss"]).outcome == "right"


def test_a_loss_of_two_scores_learns_from_ties_as_the_packages_does():
    def my_bradley_terry_loss(chosen, rejected):
        return F.softplus(rejected - chosen).mean()

    loss = check(my_bradley_terry_loss)
    chosen, rejected, preference = torch.randn(4), torch.randn(4), torch.tensor([1.0, 0.5, 1.0, 0.5])
    for given in ((chosen, rejected, preference), (chosen, rejected, torch.ones(4)), (chosen, rejected)):
        torch.testing.assert_close(loss(*given), bradley_terry_loss(*given))


def test_stats_may_be_left_out_and_the_packages_are_put_behind():
    def my_sft_loss(logits, tokens, mask):
        return -(token_log_probs(logits, tokens, mask)).sum() / mask.sum()

    case = EXERCISES["sft_loss"].cases()[0]
    torch.testing.assert_close(check(my_sft_loss)(*case.inputs), sft_loss(*case.inputs))


def test_who_looks_up_every_token_is_not_stopped_by_padding():
    """Padding has an id that no logit belongs to."""

    def my_sft_loss(logits, tokens, mask):
        log_p = torch.log_softmax(logits[:, :-1], dim=-1)
        said = log_p.gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
        return -(said * mask[:, 1:]).sum() / mask.sum()

    logits, mask = torch.randn(2, 5, 7), torch.tensor([[False, True, True, False, False]] * 2)
    tokens = torch.where(mask, 3, 7)
    answer = check(my_sft_loss)
    assert author(answer) == "your my_sft_loss"
    torch.testing.assert_close(answer(logits, tokens, mask)[0], sft_loss(logits, tokens, mask)[0])


def test_a_right_answer_can_be_checked_twice():
    checked = check(as_a_learner(GAE))
    assert author(check(checked)) == "your my_gae"


# ---- not tried


@pytest.mark.parametrize(
    "body",
    [
        "...",
        "pass",
        "raise NotImplementedError",
        "'''Yours.'''",
        "return None",
        "return ...",
        "total = rewards.sum()\n    ...\n    raise NotImplementedError('yours')",
    ],
)
def test_an_untouched_stub_is_not_tried_yet_and_the_lesson_goes_on(body, capsys, own_progress):
    stub = from_source(f"def my_gae(rewards, values, mask, gamma=1.0, lam=0.95):\n    {body}\n", "my_gae")
    assert check(stub) is gae
    assert "not tried yet. The lesson goes on with the package's gae" in capsys.readouterr().out
    assert not own_progress.exists()


def test_the_packages_own_function_is_not_the_learners_work(capsys, own_progress):
    """Who runs the checking cell twice without an answer holds the package's function the second time."""
    assert check(gae) is gae
    assert "the package's own" in capsys.readouterr().out
    assert author(gae) == "the package's gae"
    assert not own_progress.exists()


def test_a_name_that_is_no_exercise_gets_the_list(capsys):
    answer, number = from_source("def my_gea(): ...", "my_gea"), torch.zeros(1)
    assert check(answer) is answer and check(number) is number
    said = " ".join(capsys.readouterr().out.split())
    assert "Did you mean my_gae? It knows: my_masked_mean, " in said and "something of type Tensor" in said


def test_an_answer_in_an_older_copy_of_a_lesson_is_found_by_its_former_name():
    for former, current in minirlhf.RENAMED.items():
        if current in EXERCISES:
            answer = as_a_learner(EXERCISES[current])
            answer.__name__ = f"my_{former}"
            assert author(check(answer)) == f"your my_{former}"


# ---- nothing a learner writes stops the lesson

HEAD = "def my_gae(rewards, values, mask, gamma, lam):\n    "
TROUBLES = {
    "an exception": ("x = values[0, 99]\n    return x, x", "in line 2"),
    "a name that does not exist": ("return advantages, returns", "name 'advantages' is not defined"),
    "an exit": ("raise SystemExit", "SystemExit"),
    "an exception that cannot be printed": (
        "class E(Exception):\n        def __str__(self): raise E\n    raise E",
        "in line 4",
    ),
    "endless recursion": ("return my_gae(rewards, values, mask, gamma, lam)", "RecursionError"),
    "an endless loop": ("while True: pass", "its time ran out in line 2. Does a loop in it never end?"),
    "a very long loop": ("for i in range(10**12):\n        x = i", "Does a loop in it never end?"),
    "an endless loop that catches everything": (
        "while True:\n        try:\n            values.sum()\n        except:\n            pass",
        "Does a loop in it never end?",
    ),
    "an endless loop that prints": ("while True: print('still here')", "It printed: still here"),
    "no return": ("advantages = rewards - values", "Is a `return` missing"),
    "one value instead of two": ("return rewards", "one tensor of shape (3, 8); 2 tensors are asked for"),
    "values and where they stand": ("return rewards.max(dim=1), values", ".values is the first of them"),
    "three values": ("return rewards, rewards, rewards", "a tuple of 3; 2 tensors"),
    "a list of lists": ("return rewards.tolist(), values.tolist()", "is a list of 3; a tensor is asked for"),
    "a number": ("return 1.0, rewards", "carries no gradient"),
    "nought": ("return 0", "it returns an int; 2 tensors"),
    "whole numbers": ("return mask.long(), rewards", "torch.int64"),
    "complex numbers": ("return rewards + 0j, rewards", "complex64"),
    "a tensor without numbers": ("return rewards.to('meta'), rewards", "ordinary tensor"),
    "a sparse tensor": ("return rewards.to_sparse(), rewards", "ordinary tensor"),
    "a wrong shape": ("return rewards.sum(1), values", "shape (3,); (3, 8) is asked for"),
    "a shape without its first column": ("return rewards[:, 1:], values", "One column is missing"),
    "an empty tensor": ("return rewards[:0], values", "shape (0, 8)"),
    "NaN everywhere": ("return rewards * float('nan'), values", "yours nan"),
    "a generator": ("yield rewards\n    yield values", "a generator"),
    "a change of torch's mode": ("torch.set_grad_enabled(False)\n    return rewards, values", "Where: "),
}


@pytest.mark.parametrize(("body", "word"), TROUBLES.values(), ids=TROUBLES)
def test_nothing_a_learner_writes_stops_the_lesson(body, word, capsys, monkeypatch):
    monkeypatch.setattr(checking_module, "PATIENCE", 0.2)
    monkeypatch.setattr(diagnoses, "LONGEST_SEARCH", 0.1)
    assert check(from_source(HEAD + body, "my_gae")) is gae
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("✗ my_gae is not right yet.") and said.endswith("show(gae) shows it.")
    assert word in said
    assert torch.is_grad_enabled()


def test_too_few_inputs_are_named(capsys):
    assert check(from_source("def my_gae(rewards, values): return rewards, values", "my_gae")) is gae
    assert "gae(rewards, values, mask, gamma, lam)" in capsys.readouterr().out


def test_the_stop_button_still_stops():
    def my_gae(rewards, values, mask, gamma, lam):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(my_gae)


def test_trouble_on_an_edge_case_says_which():
    def my_gae(rewards, values, mask, gamma, lam):
        assert mask.any(dim=1).all()
        return gae(rewards, values, mask, gamma, lam)

    assert "What fails on a row with no token: it stops in line" in str(examine(my_gae, GAE))


def test_what_it_prints_is_told_and_does_not_matter(capsys):
    def my_gae(*inputs):
        print("shape", *inputs[0].shape)
        return gae(*inputs)

    assert author(check(my_gae)) == "your my_gae"
    said = capsys.readouterr().out
    assert said.count("shape") == 1 and "It printed: shape 3 8" in said


def test_inputs_that_are_written_into_are_named_and_protected(capsys):
    def my_masked_whiten(x, mask):
        x -= masked_mean(x, mask)
        x *= torch.rsqrt(masked_mean(x.square(), mask) + 1e-8)
        x *= mask
        return x

    whiten = check(my_masked_whiten)
    assert "It writes into x, " in capsys.readouterr().out
    x, mask = EXERCISES["masked_whiten"].cases()[0].inputs
    before = x.clone()
    whiten(x, mask)
    assert torch.equal(x, before)


@pytest.mark.parametrize("exercise", [e for e in EXERCISES.values() if e.trains], ids=lambda e: e.name)
def test_the_right_value_without_a_gradient_trains_nothing(exercise):
    def detached(*inputs):
        result = exercise.solution(*inputs)
        return (result[0] if exercise.stats else result).detach()

    verdict = examine_here(detached, exercise)
    assert verdict.outcome == "wrong"
    assert "no gradient comes through it" in str(verdict).replace("\n    ", " ")


def test_the_right_value_with_a_wrong_gradient_is_seen():
    def my_masked_mean(x, mask):
        mean = masked_mean(x, mask)
        return mean + x.sum() - x.sum().detach()

    verdict = examine(my_masked_mean, EXERCISES["masked_mean"])
    assert verdict.messages[1].startswith("What fails: the gradient of x, on")


# ---- slow, and out of time


def busy(inputs):
    """Waste a fifth of a second, on large inputs only."""
    end = perf_counter() + 0.2 * (inputs[0].numel() > 1000)
    while perf_counter() < end:
        pass


def test_slow_but_right_is_praised_and_the_package_trains(capsys):
    def my_masked_mean(x, mask):
        busy((x,))
        return masked_mean(x, mask)

    assert check(my_masked_mean) is masked_mean
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("✓ my_masked_mean is right, and that is the hard part.")
    assert "s longer" in said and "goes on with the package's" in said and "done: 1 of" in said


def test_right_but_too_slow_to_finish_one_batch_is_praised_too(monkeypatch):
    monkeypatch.setattr(checking_module, "PATIENCE", 0.5)

    def my_masked_mean(x, mask):
        while x.numel() > 1000:
            pass
        return masked_mean(x, mask)

    assert examine(my_masked_mean, EXERCISES["masked_mean"]).outcome == "slow"


def test_the_earlier_trace_comes_back():
    def earlier(frame, event, arg):
        return None

    before = sys.gettrace()
    sys.settrace(earlier)
    try:
        with Deadline(10.0):
            sum([1, 2])
        after_success = sys.gettrace()
        with pytest.raises(TimeUp), Deadline(0.05):
            exec("while True: pass")
        after_time_up = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after_success is earlier and after_time_up is earlier


def test_time_that_is_not_used_up_costs_nothing():
    with Deadline(0.05):
        result = sum(range(10))
    end = perf_counter() + 0.1
    while perf_counter() < end:  # nothing is raised later on
        pass
    assert result == 45


# ---- progress


def test_progress_survives_a_new_process(capsys):
    check(as_a_learner(GAE))
    assert f"done: 1 of {len(EXERCISES)} exercises" in capsys.readouterr().out
    script = "from minirlhf.course.check import progress; progress()"
    new = {"env": {**os.environ, "PYTHONUTF8": "1"}, "encoding": "utf-8"}
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, **new).stdout
    assert f"done: 1 of {len(EXERCISES)} exercises" in said and "✓ gae" in said and "· sft_loss" in said


def test_what_was_done_under_a_former_name_is_still_done(own_progress, capsys):
    own_progress.write_text('{"done": ["pick", "gae", "inverse_cdf_sample"]}')
    progress()
    said = capsys.readouterr().out
    assert "done: 2 of" in said and "✓ inverse_cdf_sample" in said and "✓ gae" in said


def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIRLHF_PROGRESS", str(tmp_path / "missing" / "progress.json"))
    assert author(check(as_a_learner(GAE))) == "your my_gae"
    assert f"done: 1 of {len(EXERCISES)} exercises (not kept for next time: No such file" in capsys.readouterr().out


def test_a_broken_progress_file_counts_as_none(own_progress, capsys):
    for broken in ("", "{", "[]", '{"done": 3}', '{"done": ["no such exercise"]}'):
        own_progress.write_text(broken)
        progress()
        assert f"done: 0 of {len(EXERCISES)}" in capsys.readouterr().out


# ---- show


def test_show_prints_the_very_code_that_runs(capsys):
    show(gae)
    said = capsys.readouterr().out
    assert said.startswith("# minirlhf/advantages.py, line ")
    assert inspect.getsource(inspect.unwrap(gae)) in said


def test_show_takes_classes_modules_and_stages():
    for thing in (minirlhf.ops, minirlhf.ppo.PPOConfig, minirlhf.ppo.train_ppo):
        where, source = showing_module.source_of(thing)
        assert where.startswith("minirlhf/") and source


def test_show_uses_a_block_of_python_in_a_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr(showing_module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    show(gae)
    assert shown[0].data.startswith("`minirlhf/advantages.py, line ")
    assert "`````python\ndef gae(" in shown[0].data


def test_show_says_kindly_what_it_does_not_show():
    with pytest.raises(TypeError, match=r"this is a Tensor\. Name it without calling it"):
        show(torch.zeros(1))
    for foreign in (torch.nn.Linear, len, F.relu, as_a_learner(GAE), check(as_a_learner(GAE))):
        with pytest.raises(ValueError, match=r"is not minirlhf's own.*show\(gae\)"):
            show(foreign)


# ---- the house


def test_a_verdict_is_frozen():
    with pytest.raises(FrozenInstanceError):
        examine(gae, GAE).outcome = "right"


def test_lessons_are_light_to_import():
    script = """import sys, minirlhf.course.check
print({'matplotlib', 'ipywidgets', 'datasets', 'IPython'} & set(sys.modules))"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert said == "set()\n"
