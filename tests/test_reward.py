"""Reward models, the small and the large: what they learn from choices, and what they must not depend on."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny import (
    TYPED,
    Run,
    check_that_breaking_leaves_a_prefix,
    check_that_ctrl_c_anywhere_leaves_usable_models,
    check_that_gradients_are_held_to_their_norm,
    check_that_peeking_changes_nothing,
    check_that_resuming_is_exact,
    check_that_the_first_step_is_as_large_as_its_rate,
    check_that_the_seed_decides,
    equal,
    fingerprint,
    generator,
    lively,
    small_tokenizer,
    trunk,
)

from minirlhf import checkpoint
from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.data import Comparisons, Judgements, collate
from minirlhf.losses import bradley_terry_loss
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.model import RewardModel
from minirlhf.reward import RewardConfig, normalise, train_reward
from minirlhf.tokenizer import split_words
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = RewardConfig(steps=6, batch_size=4, lr=3e-3, warmup=2)
A, B = 40, 50  # two token ids; whoever votes here likes A


def pairs(n=11, seed=0, preference=1.0):
    """Random replies of up to 5 tokens; the chosen one has more of A."""
    numbers, found = generator(seed), ([], [], [])
    while len(found[0]) < n:
        one, other = (
            [
                A if x < 0.5 else B
                for x in torch.rand(int(torch.randint(1, 6, (), generator=numbers)), generator=numbers)
            ]
            for _ in range(2)
        )
        if one.count(A) != other.count(A):
            chosen, rejected = sorted((one, other), key=lambda ids: -ids.count(A))
            for into, ids in zip(found, ([3, 4], chosen, rejected), strict=True):
                into.append(ids)
    return Comparisons(*found, [preference] * n)


def make(reward_model=None, config=CONFIG, comparisons=None, **hearts) -> Run:
    reward_model = reward_model or RewardModel(trunk(0, TYPED))
    comparisons = comparisons or pairs()
    return Run(
        {"reward_model": reward_model},
        lambda state: train_reward(reward_model, comparisons, config, state=state, **hearts),
    )


def scores_of(model, *replies, prompt=(3, 4)):
    with torch.no_grad():
        return model(*collate([list(prompt)] * len(replies), [list(reply) for reply in replies], 300))


# ---- the transformer


def test_the_first_loss_is_ln_2_and_half_the_pairs_are_right():
    record = next(make().train(None))
    assert record.loss == pytest.approx(math.log(2), abs=1e-6)
    assert record.accuracy == 0.5 and record.margin == 0.0


def test_a_record_says_what_was_done():
    records = list(make().train(None))
    assert [record.step for record in records] == [1, 2, 3, 4, 5, 6]
    for record in records:
        assert record.chosen_score - record.rejected_score == pytest.approx(record.margin, abs=1e-5)


def test_ties_alone_teach_that_nothing_matters():
    model = lively(RewardModel(trunk(0, TYPED)), size=0.1)
    last = list(make(model, RewardConfig(steps=60, batch_size=11, lr=1e-2), pairs(preference=0.5)).train(None))[-1]
    assert last.loss == pytest.approx(math.log(2), abs=0.01)
    assert abs(last.margin) < 0.2


def test_a_learners_own_loss_drives_the_training():
    seen = []

    def my_loss(chosen, rejected, preference):
        seen.append((len(chosen), len(rejected), preference.tolist()))
        return bradley_terry_loss(chosen, rejected, preference)

    assert list(make(loss=my_loss).train(None)) == list(make().train(None))
    assert seen == [(4, 4, [1.0] * 4)] * 6


def test_peeking_changes_nothing():
    check_that_peeking_changes_nothing(
        make, lambda run: run.models["reward_model"](*pairs(5, seed=1).batch(range(5), 300)[:2])
    )


@pytest.mark.parametrize("k", [1, 4])
def test_breaking_leaves_a_prefix(k):
    check_that_breaking_leaves_a_prefix(make, k)


def test_resuming_from_disk_is_exact(tmp_path):
    check_that_resuming_is_exact(make, 3, tmp_path, CONFIG.seed)


def test_ctrl_c_leaves_a_usable_model_and_a_word_and_one_can_go_on():
    calls = []

    def interrupted(*scores):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return bradley_terry_loss(*scores)

    whole, run = make(), make(loss=interrupted)
    records, state, found = list(whole.train(None)), new_state(CONFIG.seed, **run.models), []
    with pytest.raises(KeyboardInterrupt) as stopped:
        for record in run.train(state):
            found.append(record)
    assert any("reward model stopped in step 4" in note for note in stopped.value.__notes__)
    model = run.models["reward_model"]
    assert all(p.grad is None and p.isfinite().all() for p in model.parameters())
    found += list(make(model).train(state))
    assert found == records and fingerprint(model) == fingerprint(whole.models["reward_model"])


def test_ctrl_c_anywhere_leaves_usable_models():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed)


def test_a_loss_that_is_no_number_stops_and_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(loss=lambda c, r, p: (bradley_terry_loss(c / 0, r, p)[0], {"accuracy": 0.0, "margin": 0.0}))
    before = fingerprint(run.models["reward_model"])
    with pytest.raises(NotFiniteError) as stopped:
        list(run.train(None))
    assert any("stopped in step 1" in note for note in stopped.value.__notes__)
    assert fingerprint(run.models["reward_model"]) == before
    assert len(list((tmp_path / "runs").rglob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("warmup", -1),
        ("warmup", 7),
        ("max_grad_norm", 0.0),
    ],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"RewardConfig\.{name} is {value}"):
        replace(CONFIG, **{name: value})


def test_there_must_be_something_to_learn_from():
    with pytest.raises(ValueError, match="no comparisons"):
        next(train_reward(RewardModel(trunk()), Comparisons([], [], [], []), CONFIG))


# ---- normalising


@pytest.mark.parametrize("kind", ["transformer", "additive"])
def test_normalised_scores_have_mean_0_and_deviation_1_and_keep_their_order(kind):
    comparisons = votes([("good good", "bad"), ("good", "bad bad bad"), ("fine good", "so so")] * 3)
    model = (
        lively(RewardModel(trunk(0, TYPED))) if kind == "transformer" else fit_additive(comparisons, small_tokenizer())
    )
    tokens, mask, _ = comparisons.batch(range(len(comparisons)), 300)
    with torch.no_grad():
        raw = model(tokens, mask)
    for _ in range(2):  # doing it twice is doing it once
        normalise(model, tokens, mask)
        with torch.no_grad():
            scores = model(tokens, mask)
        assert scores.mean().item() == pytest.approx(0.0, abs=1e-5)
        assert scores.std().item() == pytest.approx(1.0, abs=1e-5)
        assert torch.equal(scores.argsort(stable=True), raw.argsort(stable=True))


def test_normalising_a_model_without_opinion_stays_finite():
    model = RewardModel(trunk(0, TYPED))
    tokens, mask, _ = pairs().batch(range(11), 300)
    normalise(model, tokens, mask)
    assert (model(tokens, mask) == 0).all()


def test_normalising_on_a_single_response_is_refused_and_changes_nothing():
    model = lively(RewardModel(trunk(0, TYPED)))
    tokens, mask, _ = pairs().batch(range(11), 300)
    normalise(model, tokens, mask)
    before = fingerprint(model)
    with pytest.raises(ValueError, match="two responses or more"):
        normalise(model, tokens[:1], mask[:1])
    assert fingerprint(model) == before


# ---- the additive one


def votes(choices, prompts=None, preference=1.0):
    """Comparisons of typed texts."""
    encode, eos = small_tokenizer().encode, small_tokenizer().eos_id
    chosen, rejected = ([[*encode(text), eos] for text in side] for side in zip(*choices, strict=True))
    return Comparisons(
        [encode(p) for p in prompts or ["hello"] * len(choices)], chosen, rejected, [preference] * len(choices)
    )


def score(model, *texts, prompt="hello"):
    encode = small_tokenizer().encode
    return scores_of(model, *[encode(text) for text in texts], prompt=encode(prompt)).tolist()


def test_words_are_whole_words_smileys_and_marks_in_lower_case():
    assert split_words("I'm SORRY, it's late :) Really?! ;-)") == [
        "i'm",
        "sorry",
        ",",
        "it's",
        "late",
        ":)",
        "really",
        "?",
        "!",
        ";-)",
    ]


def test_before_any_vote_no_word_matters():
    model = fit_additive(Comparisons([], [], [], []), small_tokenizer())
    assert score(model, "anything at all", "no") == [0.0, 0.0]
    assert set(model.word_weights().values()) == {0.0}


def test_one_vote_is_enough_to_prefer_its_word_a_little():
    model = fit_additive(votes([("thanks", "whatever")]), small_tokenizer(), count_length=False)
    weights = model.word_weights()
    assert 0 < weights["thanks"] < 2
    assert weights["thanks"] == pytest.approx(-weights["whatever"], abs=1e-4)


def test_votes_that_agree_perfectly_have_finite_weights():
    model = fit_additive(votes([("yes please", "no")] * 200), small_tokenizer())
    assert all(math.isfinite(w) and abs(w) < 20 for w in model.word_weights().values())
    assert score(model, "yes please")[0] > score(model, "no")[0]


def test_ties_alone_give_no_word_a_weight():
    model = fit_additive(votes([("yes please", "no"), ("oh", "well well")], preference=0.5), small_tokenizer())
    assert all(abs(w) < 1e-4 for w in model.word_weights().values())


def test_who_votes_the_other_way_round_gets_the_opposite_weights():
    choices = [("so kind", "so rude"), ("kind", "rude rude"), ("rude kind", "rude so"), ("so", "kind")]
    one = fit_additive(votes(choices), small_tokenizer()).word_weights()
    other = fit_additive(votes([(b, a) for a, b in choices]), small_tokenizer()).word_weights()
    assert one == pytest.approx({word: -w for word, w in other.items()}, abs=1e-3)


def test_the_weights_are_where_the_objective_is_lowest():
    comparisons = votes([("so kind", "so rude"), ("kind", "rude rude"), ("rude kind", "rude so"), ("so", "kind")])
    model = fit_additive(comparisons, small_tokenizer(), ridge=0.5)
    features = model.features([small_tokenizer().decode(ids) for ids in comparisons.chosen + comparisons.rejected])
    loss, _ = bradley_terry_loss(*(features @ model.weights).chunk(2))
    (4 * loss + 0.25 * model.weights.square().sum()).backward()
    assert model.weights.grad.abs().max() < 1e-3


def test_planted_tastes_are_recovered_with_their_sign():
    planted = {"sorry": 2.0, "please": 1.0, "now": -1.0, "stupid": -2.0, "the": 0.0}
    numbers, choices, words = generator(), [], list(planted)

    def worth(text):
        return sum(planted[word] for word in text.split())

    while len(choices) < 400:
        one, other = (" ".join(words[i] for i in torch.randint(5, (3,), generator=numbers).tolist()) for _ in range(2))
        p = 1 / (1 + math.exp(worth(other) - worth(one)))
        if one != other:
            choices.append((one, other) if torch.rand((), generator=numbers) < p else (other, one))
    weights = fit_additive(votes(choices), small_tokenizer(), count_length=False).word_weights()
    found = [word for word in weights if word in planted]
    assert found == ["sorry", "please", "the", "now", "stupid"]
    assert all(weights[word] * w > 0 for word, w in planted.items() if w)


def test_the_length_can_be_left_out():
    longer = [("so very very kind of you", "kind"), ("rude and so on and on and on", "rude")] * 5
    comparisons = votes(longer)
    counting, blind = (fit_additive(comparisons, small_tokenizer(), count_length=c) for c in (True, False))
    unknown = "zebra zebra zebra zebra"  # words that nobody voted on: only their number can count
    assert score(counting, unknown)[0] > 0.01
    assert score(blind, unknown) == [0.0]
    assert blind.word_weights()["(ten more words)"] == 0.0


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_additive_reward_looks_at_the_words_of_the_response_alone(one_prompt, other_prompt):
    model = fit_additive(votes([("so kind", "so rude"), ("kind", "rude rude")]), small_tokenizer())
    replies = ["kind", "so rude kind", "unknown", ""]
    wanted = score(model, *replies, prompt="x" + one_prompt)
    assert score(model, *replies, prompt="y" + other_prompt) == wanted
    assert score(model, "kind so RUDE", prompt="y")[0] == pytest.approx(wanted[1]), "neither order nor case counts"


def test_scores_add_up_word_by_word():
    model = fit_additive(votes([("so kind", "so rude"), ("kind", "rude rude")]), small_tokenizer())
    kind, rude, both = score(model, "kind", "rude", "kind rude")
    assert both == pytest.approx(kind + rude, abs=1e-5)


def test_an_additive_reward_is_not_moved_by_padding_or_the_end_of_text():
    tokenizer = small_tokenizer()
    model = fit_additive(votes([("so kind", "so rude")]), tokenizer)
    ids = tokenizer.encode("so kind")
    one, ended = scores_of(model, ids, [*ids, tokenizer.eos_id])
    equal(one, ended)


def test_additive_words_can_be_given_by_hand():
    model = AdditiveReward(["kind"], small_tokenizer())
    with torch.no_grad():
        model.weights.copy_(torch.tensor([2.0, 10.0]))
    assert score(model, "kind kind stranger") == [pytest.approx(2 * 2 + 10 * 0.3)]


# ---- the additive one, from thumbs

NOTHING = Comparisons([], [], [], [])


def thumbs(*judged):
    """Judgements of typed texts."""
    encode, eos = small_tokenizer().encode, small_tokenizer().eos_id
    return Judgements(
        [encode("hello")] * len(judged), [[*encode(text), eos] for text, _ in judged], [up for _, up in judged]
    )


MIXED = thumbs(("so kind", True), ("kind of you", True), ("so rude", False), ("rude of you", False))


def test_thumbs_alone_teach_which_words_are_liked():
    model = fit_additive(NOTHING, small_tokenizer(), judgements=MIXED)
    weights = model.word_weights()
    assert weights["kind"] > 0.5 and weights["rude"] < -0.5
    assert abs(weights["so"]) < 1e-3 and abs(weights["you"]) < 1e-3  # as often liked as not
    low, high = sorted(score(model, "kind", "rude"))
    assert low < model.threshold.item() < high


def test_thumbs_and_choices_are_learned_together():
    pairs = votes([("warm day", "cold day")] * 3)
    weights = fit_additive(pairs, small_tokenizer(), judgements=MIXED).word_weights()
    assert weights["warm"] > 0.3 and weights["cold"] < -0.3
    assert weights["kind"] > 0.5 and weights["rude"] < -0.5


def test_the_joint_weights_are_where_the_joint_objective_is_lowest():
    pairs = votes([("so kind", "so rude"), ("kind", "rude rude"), ("rude kind", "rude so")])
    found = fit_additive(pairs, small_tokenizer(), judgements=MIXED, ridge=0.5)

    def objective(weights, threshold):
        texts = [small_tokenizer().decode(ids) for ids in [*pairs.chosen, *pairs.rejected, *MIXED.responses]]
        scores = found.features(texts) @ weights
        chosen, rejected, judged = scores[:3], scores[3:6], scores[6:]
        signs = torch.tensor([1.0, 1.0, -1.0, -1.0])
        surprise = torch.log1p((rejected - chosen).exp()).sum()
        surprise = surprise + torch.log1p((-signs * (judged - threshold)).exp()).sum()
        return surprise + 0.25 * weights.square().sum() + 0.0005 * threshold.square()

    best = objective(found.weights.detach(), found.threshold).item()
    numbers = generator()
    for _ in range(50):
        step = 0.02 * torch.randn(len(found.weights) + 1, generator=numbers)
        assert objective(found.weights.detach() + step[:-1], found.threshold + step[-1]).item() > best - 1e-5


def test_no_judgements_are_as_if_nobody_had_asked_for_any():
    pairs = votes([("so kind", "so rude"), ("kind", "rude rude"), ("so", "kind")])
    one = fit_additive(pairs, small_tokenizer())
    other = fit_additive(pairs, small_tokenizer(), judgements=thumbs())
    assert fingerprint(one) == fingerprint(other) and one.threshold == 0


@pytest.mark.parametrize("up", [True, False])
def test_who_likes_everything_says_little_about_any_word(up):
    replies = ["so kind of you", "so rude", "we will send it today", "so so", "no", "you will get it"] * 10
    model = fit_additive(NOTHING, small_tokenizer(), judgements=thumbs(*((text, up) for text in replies)))
    assert max(abs(w) for w in model.word_weights().values()) < 0.05
    assert 3 < (-model.threshold.item() if up else model.threshold.item()) < 20


def test_a_threshold_survives_a_checkpoint(tmp_path):
    model = fit_additive(NOTHING, small_tokenizer(), judgements=MIXED)
    checkpoint.save(tmp_path / "reward", model, small_tokenizer())
    loaded, _ = checkpoint.load(tmp_path / "reward")
    assert loaded.threshold == model.threshold


DEGENERATE = {
    "no votes": (NOTHING, thumbs()),
    "one vote": (votes([("yes", "no")]), thumbs()),
    "one thumb": (NOTHING, thumbs(("yes", True))),
    "all ties": (votes([("so kind", "so rude"), ("oh", "well")] * 20, preference=0.5), thumbs()),
    "perfectly separable": (votes([("yes please", "no")] * 300), thumbs(*[("yes", True), ("no", False)] * 300)),
    "one word": (votes([("yes", "yes yes")] * 9), thumbs(*[("yes", True), ("yes yes", False)] * 9)),
    "only both bad": (NOTHING, thumbs(*[("yes please", False), ("no", False)] * 30)),
    "all equal": (votes([("same old", "same old")] * 9), thumbs(*[("same old", True), ("same old", False)] * 9)),
    "nothing said": (votes([("", "no")] * 9), thumbs(*[("", True), ("no", False)] * 9)),
    "a very long one": (votes([("yes " * 50, "no")] * 9), thumbs(("no " * 50, False), ("yes", True))),
}


@pytest.mark.parametrize("ridge", [1e-3, 0.5, 100.0])
@pytest.mark.parametrize("name", DEGENERATE)
def test_no_votes_are_too_odd_to_learn_from(name, ridge):
    comparisons, judgements = DEGENERATE[name]
    model = fit_additive(comparisons, small_tokenizer(), judgements=judgements, ridge=ridge)
    assert model.weights.isfinite().all() and model.threshold.isfinite()
    assert all(math.isfinite(found) for found in score(model, "yes please", "no", "", "something else"))
    if name in ("no votes", "all ties", "all equal"):
        assert model.weights.abs().max() < 1e-3


def test_texts_and_their_tokens_have_the_same_score():
    model = fit_additive(votes([("so kind", "so rude"), ("kind", "rude rude")]), small_tokenizer())
    texts = ["kind", "so RUDE kind", ""]
    with torch.no_grad():
        assert model.score(texts).tolist() == score(model, *texts)


# ---- both


@given(st.integers(0, 300), st.integers(0, 4), st.booleans())
def test_what_stands_in_padding_never_changes_a_score(junk, columns, additive):
    comparisons = votes([("so kind", "so rude"), ("kind of you", "rude")])
    model = fit_additive(comparisons, small_tokenizer()) if additive else lively(RewardModel(trunk(0, TYPED)))
    tokens, mask, _ = comparisons.batch([0, 1], 300)
    after = tokens == 300
    changed = torch.cat([torch.where(after, junk, tokens), torch.full((4, columns), junk)], dim=1)
    wide_mask = torch.cat([mask, torch.zeros(4, columns, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        equal(model(changed, wide_mask), model(tokens, mask), 1e-5)


# ---- every setting is heard


def test_gradients_are_held_to_their_norm():
    check_that_gradients_are_held_to_their_norm(make, CONFIG)


def test_the_first_step_is_warmed_up_and_without_warming_up_it_is_the_whole_rate():
    check_that_the_first_step_is_as_large_as_its_rate(make, CONFIG, CONFIG.lr / 2)
    check_that_the_first_step_is_as_large_as_its_rate(make, replace(CONFIG, warmup=0), CONFIG.lr)


def test_another_seed_shows_other_pairs():
    check_that_the_seed_decides(make, CONFIG)


def test_what_was_chosen_comes_to_stand_above_what_was_rejected():
    records = list(make(config=RewardConfig(steps=40, batch_size=11, lr=1e-2, warmup=2)).train(None))
    assert records[-1].accuracy == 1.0 and records[-1].margin > 1
    model = RewardModel(trunk(0, TYPED))
    list(make(model, RewardConfig(steps=40, batch_size=11, lr=1e-2, warmup=2)).train(None))
    liked, disliked = scores_of(model, [A, A, A], [B, B, B]).tolist()
    assert liked > disliked


def test_the_batch_that_went_wrong_is_kept_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(loss=lambda c, r, p: (bradley_terry_loss(c / 0, r, p)[0], {"accuracy": 0.0, "margin": 0.0}))
    with pytest.raises(NotFiniteError):
        next(run.train(None))
    (path,) = (tmp_path / "runs").rglob("*.safetensors")
    kept = load_file(path)
    assert kept["tokens"].shape == kept["mask"].shape and len(kept["tokens"]) == 8


CHOICES = [("so kind", "so rude"), ("kind", "rude rude"), ("rude kind", "rude so"), ("so", "kind")]


@pytest.mark.parametrize("ridge", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("preference", [1.0, 0.8])
def test_at_the_best_weights_what_a_vote_gains_is_what_the_ridge_costs(ridge, preference):
    """Whatever the ridge, for all weights, the length's among them: the slope of each is 0 (finite differences)."""
    comparisons = votes(CHOICES, preference=preference)
    model = fit_additive(comparisons, small_tokenizer(), ridge=ridge)
    features = model.features([small_tokenizer().decode(ids) for ids in comparisons.chosen + comparisons.rejected])
    best = model.weights.detach().double()

    def objective(weights):
        chosen, rejected = (features.double() @ weights).chunk(2)
        surprise = preference * torch.log1p((rejected - chosen).exp())
        surprise = surprise + (1 - preference) * torch.log1p((chosen - rejected).exp())
        return (surprise.sum() + 0.5 * ridge * weights.square().sum()).item()

    for column in range(len(best)):
        step = 1e-4 * torch.eye(len(best), dtype=torch.float64)[column]
        assert abs(objective(best + step) - objective(best - step)) / 2e-4 < 2e-3


def test_the_more_ridge_the_less_any_word_weighs():
    sizes = [
        fit_additive(votes(CHOICES), small_tokenizer(), judgements=MIXED, ridge=ridge).weights.norm().item()
        for ridge in (0.01, 0.1, 1.0, 10.0)
    ]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 10 * sizes[-1]


def test_saying_it_more_often_says_it_more_surely():
    """Sums and not means: sixty votes move a weight further than one, where means would stand still."""
    weights = [
        fit_additive(votes(CHOICES[:1] * n), small_tokenizer(), judgements=thumbs(("kind", True), ("rude", False)))
        for n in (1, 10)
    ]
    once, often = (model.word_weights()["kind"] for model in weights)
    assert often > 1.5 * once > 0
    judged = [
        fit_additive(NOTHING, small_tokenizer(), judgements=thumbs(*[("kind", True), ("rude", False)] * n))
        for n in (1, 10)
    ]
    once, often = (model.word_weights()["kind"] for model in judged)
    assert often > 1.5 * once > 0


def test_a_learners_own_loss_fits_the_words_too():
    def the_other_way(chosen, rejected, preference):
        return bradley_terry_loss(rejected, chosen, preference)

    plain = fit_additive(votes(CHOICES), small_tokenizer()).word_weights()
    mine = fit_additive(votes(CHOICES), small_tokenizer(), loss=the_other_way).word_weights()
    assert mine == pytest.approx({word: -weight for word, weight in plain.items()}, abs=1e-3)


def test_fitting_leaves_no_gradient_behind():
    model = fit_additive(votes(CHOICES), small_tokenizer(), judgements=MIXED)
    assert model.weights.grad is None and not model.threshold.requires_grad


def test_word_weights_come_highest_first_and_a_word_counts_as_often_as_it_stands():
    model = AdditiveReward(["bad", "good"], small_tokenizer(), count_length=False)
    with torch.no_grad():
        model.weights.copy_(torch.tensor([-1.0, 2.0, 0.5]))
    assert list(model.word_weights().items()) == [("good", 2.0), ("(ten more words)", 0.5), ("bad", -1.0)]
    assert model.score(["good", "good good", "good good bad", ""]).tolist() == [2.0, 4.0, 3.0, 0.0]
    assert split_words("GOOD :D :-( it's") == ["good", ":", "d", ":-(", "it's"]


def test_warming_up_may_take_all_steps_and_no_more():
    for steps in (1, 3, 40):
        assert RewardConfig(steps=steps, warmup=steps).warmup == steps
        with pytest.raises(ValueError, match=rf"RewardConfig\.warmup is {steps + 1}; it must be from 0 to {steps}"):
            RewardConfig(steps=steps, warmup=steps + 1)
