"""Learning from labels: it starts at ln K, names only what was labelled, can be watched, broken off and resumed."""

from copy import deepcopy
from dataclasses import replace
from itertools import islice
from math import log

import numpy as np
import pytest
import torch
from tiny import (
    TYPED,
    Run,
    check_that_breaking_leaves_a_prefix,
    check_that_ctrl_c_anywhere_leaves_usable_models,
    check_that_gradients_are_held_to_their_norm,
    check_that_peeking_changes_nothing,
    check_that_the_first_step_is_as_large_as_its_rate,
    check_that_the_seed_decides,
    fingerprint,
    lively,
    small_tokenizer,
    trunk,
)

from minirlhf.classify import (
    ClassifierConfig,
    Labelled,
    PictureClassifier,
    add_labels,
    encode_texts,
    label_accuracy,
    label_probabilities,
    mislabel,
    to_pixels,
    train_classifier,
)
from minirlhf.losses import cross_entropy
from minirlhf.machine.not_finite import NotFiniteError
from minirlhf.model import Classifier
from minirlhf.training import new_state

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = ClassifierConfig(steps=6, batch_size=4, lr=1e-2, warmup=2)


def blots(n=12, seed=0, kinds=3):
    """Pictures of noise, a little redder, greener or bluer: one kind a colour."""
    pixels = 0.3 * torch.rand(n, 3, 24, 24, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(n) % kinds
    pixels[torch.arange(n), labels] += 0.5
    return Labelled((pixels,), labels, ("red", "green", "blue")[:kinds])


def network(classes=3, seed=0):
    torch.manual_seed(seed)
    return PictureClassifier(classes)


def make(model=None, config=CONFIG, **hearts) -> Run:
    model = model or network()
    return Run({"classifier": model}, lambda state: train_classifier(model, blots(), config, state=state, **hearts))


TEXTS = [
    {"text": text, "mood": mood}
    for text, mood in (
        ("my lamp came broken", "sad"),
        ("thank you", "glad"),
        ("where is my order of two chairs?", "sad"),
        ("it comes tomorrow", "glad"),
        ("I am sorry", "sad"),
    )
]


# ---- the loss


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_who_has_no_idea_pays_ln_k(classes):
    log_probs = torch.zeros(5, classes).log_softmax(dim=1)
    for label in range(classes):
        loss, _ = cross_entropy(log_probs, torch.full((5,), label))
        assert loss.item() == pytest.approx(log(classes), abs=1e-6)


def test_two_halves_and_a_quarter_by_hand():
    log_probs = torch.tensor([[1 / 2, 1 / 4, 1 / 4], [1 / 2, 1 / 4, 1 / 4]]).log()
    loss, stats = cross_entropy(log_probs, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(1.5 * log(2), abs=1e-6)
    assert stats == {"accuracy": 0.5}


def test_the_gradient_of_a_logit_is_probability_minus_answer():
    """The identity that makes softmax and cross-entropy belong together (Bridle, 1990)."""
    logits = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    cross_entropy(logits.log_softmax(dim=1), labels)[0].backward()
    answer = torch.eye(4, dtype=torch.float64)[labels]
    torch.testing.assert_close(logits.grad, (logits.softmax(dim=1) - answer).detach() / 6)


# ---- the models


@pytest.mark.parametrize("classes", [2, 4])
def test_fresh_classifiers_have_no_opinion(classes):
    seen = label_probabilities(network(classes), torch.rand(3, 3, 24, 24))
    read = label_probabilities(
        Classifier(trunk(0, TYPED), classes), *encode_texts(["hello", "why?"], small_tokenizer())
    )
    for found in (seen, read):
        torch.testing.assert_close(found, torch.full_like(found, 1 / classes))


def test_a_text_is_read_at_its_last_token_whatever_stands_behind():
    model = lively(Classifier(trunk(0, TYPED), 3))
    tokens, mask = encode_texts(["my lamp came broken", "thank you"], small_tokenizer())
    longer = torch.cat([tokens, torch.full((2, 5), 7)], dim=1)
    wider = torch.cat([mask, torch.zeros(2, 5, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(model(longer, wider), model(tokens, mask))
    alone, its_mask = encode_texts(["thank you"], small_tokenizer())
    torch.testing.assert_close(model(alone, its_mask)[0], model(tokens, mask)[1])


def test_new_labels_leave_the_old_answers_as_they_were():
    model = lively(network())
    wider = add_labels(model, 2)
    pixels = torch.rand(4, 3, 24, 24)
    torch.testing.assert_close(wider(pixels)[:, :3], model(pixels))
    assert (wider(pixels)[:, 3:] == 0).all()
    before = fingerprint(model)
    list(train_classifier(wider, blots(), CONFIG))
    assert fingerprint(model) == before, "the old model is not the new one's to change"


# ---- the examples


def test_joined_labels_keep_their_names():
    reds, blues = blots().called("red"), blots(seed=1).called("blue")
    both = reds.join(blues)
    assert both.names == ("red", "blue") and both.labels.tolist() == [0] * 4 + [1] * 4
    again = both.join(blots(3, seed=2))
    assert again.names == ("red", "blue", "green") and again.labels[-3:].tolist() == [0, 2, 1]
    assert torch.equal(blues.under(("green", "blue")).labels, torch.ones(4, dtype=torch.long))


def test_taking_by_number_and_by_mask_is_the_same():
    some = blots()
    mask = some.labels == 1
    by_number = some.take(mask.nonzero().flatten().tolist())
    assert torch.equal(some.take(mask).inputs[0], by_number.inputs[0])
    assert len(some.take([])) == 0 and some.take([2, 2, 0]).labels.tolist() == [2, 2, 0]


def test_a_texts_label_is_a_column():
    read = Labelled.texts(TEXTS, small_tokenizer(), label="mood")
    assert read.names == ("glad", "sad") and read.labels.tolist() == [1, 0, 1, 0, 1]
    assert (read.inputs[0][~read.inputs[1]] == small_tokenizer().pad_id).all()


def test_an_empty_text_has_no_mood():
    with pytest.raises(ValueError, match="empty"):
        encode_texts(["hello", " "], small_tokenizer())


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 1.0])
def test_so_many_labels_are_wrong_and_none_by_accident_right(share):
    labels = torch.arange(40) % 4
    for seed in range(5):
        wrong = mislabel(labels, share, 4, seed)
        assert (wrong != labels).sum() == round(40 * share)
        assert wrong.min() >= 0 and wrong.max() < 4
    assert torch.equal(labels, torch.arange(40) % 4)
    assert torch.equal(mislabel(labels, share, 4, 3), mislabel(labels, share, 4, 3))


# ---- the stage


def test_it_starts_at_ln_k_and_learns():
    run = make(config=replace(CONFIG, steps=60))
    records = list(run.train(None))
    assert records[0].loss == pytest.approx(log(3), abs=1e-6)
    assert records[-1].loss < 0.3
    assert label_accuracy(run.models["classifier"], blots(30, seed=9)) == 1.0


def test_texts_go_through_the_same_stage():
    read = Labelled.texts(TEXTS, small_tokenizer(), label="mood")
    model = Classifier(trunk(0, TYPED), 2)
    records = list(train_classifier(model, read, ClassifierConfig(steps=40, batch_size=5, lr=1e-2)))
    assert records[0].loss == pytest.approx(log(2), abs=1e-6)
    assert label_accuracy(model, read) == 1.0


def test_what_was_never_labelled_gets_a_name_all_the_same():
    model = network(2)
    list(train_classifier(model, blots(20, kinds=2), replace(CONFIG, steps=60)))
    probabilities = label_probabilities(model, blots(9).called("blue").inputs[0])
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
    assert probabilities.shape == (3, 2)


def test_a_learners_own_loss_drives_the_training():
    seen = []

    def my_loss(log_probs, labels):
        seen.append(len(labels))
        loss, stats = cross_entropy(log_probs, labels)
        return 0.0 * loss, stats

    run = make(loss=my_loss)
    before = fingerprint(run.models["classifier"])
    assert len(list(run.train(None))) == len(seen) == 6
    assert fingerprint(run.models["classifier"]) == before, "a loss of 0 teaches nothing"


def test_peeking_changes_nothing():
    check_that_peeking_changes_nothing(make, lambda run: label_accuracy(run.models["classifier"], blots()))


def test_breaking_leaves_a_usable_model():
    check_that_breaking_leaves_a_prefix(make, 3)


def test_going_on_is_bit_for_bit_the_same():
    whole, broken = make(), make()
    records = list(whole.train(None))
    state = new_state(CONFIG.seed, **broken.models)
    found = list(islice(broken.train(state), 2))
    found += list(broken.train(state))
    assert found == records
    assert fingerprint(*broken.models.values()) == fingerprint(*whole.models.values())


def test_ctrl_c_anywhere_leaves_a_usable_model():
    check_that_ctrl_c_anywhere_leaves_usable_models(make, CONFIG.seed)


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make(loss=lambda log_probs, labels: (log_probs.sum() * float("nan"), {"accuracy": 0.0}))
    before = deepcopy(run.models["classifier"].state_dict())
    with pytest.raises(NotFiniteError):
        list(run.train(None))
    after = run.models["classifier"].state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("lr", 0.0), ("batch_size", 0), ("warmup", 7)])
def test_a_setting_that_makes_no_sense_is_named(field, value):
    with pytest.raises(ValueError, match=field):
        replace(CONFIG, **{field: value})


def test_no_labels_no_lesson():
    with pytest.raises(ValueError, match="no labels"):
        next(train_classifier(network(), blots().take([]), CONFIG))


# ---- every setting is heard


def test_gradients_are_held_to_their_norm():
    check_that_gradients_are_held_to_their_norm(make, CONFIG)


def test_the_first_step_is_warmed_up_and_without_warming_up_it_is_the_whole_rate():
    check_that_the_first_step_is_as_large_as_its_rate(make, CONFIG, CONFIG.lr / 2)
    check_that_the_first_step_is_as_large_as_its_rate(make, replace(CONFIG, warmup=0), CONFIG.lr)


def test_the_rate_of_each_step_is_in_its_record():
    assert [record.lr for record in make().train(None)] == pytest.approx([0.005, 0.01, 0.01, 0.0075, 0.005, 0.0025])


def test_another_seed_shows_other_examples():
    check_that_the_seed_decides(make, CONFIG)


def test_a_picture_keeps_its_colours_its_rows_and_its_columns():
    image = np.zeros((4, 6, 3), dtype=np.uint8)
    image[1, 2] = (255, 0, 51)  # second row, third column
    pixels = to_pixels([np.zeros_like(image), image])
    assert pixels.shape == (2, 3, 4, 6)
    assert pixels[1, :, 1, 2].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert pixels.sum().item() == pytest.approx(1.2)


def test_names_come_in_alphabetical_order_whoever_comes_first():
    read = Labelled.texts([TEXTS[1], TEXTS[0]], small_tokenizer(), label="mood")
    assert read.names == ("glad", "sad") and read.labels.tolist() == [0, 1]


def test_joining_and_renaming_leave_every_example_with_its_own_name():
    some, others = blots(6), blots(6, seed=1).under(("blue", "red", "green"))
    both = some.join(others)
    assert [both.names[i] for i in both.labels] == ["red", "green", "blue"] * 4
    assert torch.equal(both.inputs[0], torch.cat([some.inputs[0], others.inputs[0]]))
    assert some.called("green").names == ("green",) and set(some.called("green").labels.tolist()) == {0}
    changed = some.relabelled(torch.zeros(6, dtype=torch.long))
    assert changed.labels.tolist() == [0] * 6 and changed.names == some.names and some.labels.tolist() == [0, 1, 2] * 2


def test_wrong_labels_fall_anywhere_and_into_any_other_kind():
    labels = torch.arange(40) % 4
    places, into = set(), set()
    for seed in range(30):
        wrong = mislabel(labels, 0.25, 4, seed)
        changed = (wrong != labels).nonzero().flatten().tolist()
        places.update(changed)
        into.update(((wrong - labels) % 4)[changed].tolist())
    assert len(places) == 40 and into == {1, 2, 3}
    assert not torch.equal(mislabel(labels, 0.25, 4, 0), mislabel(labels, 0.25, 4, 1))
    assert (mislabel(labels[:10], 0.27, 4, 0) != labels[:10]).sum() == 3, "2.7 is nearer to 3"


def test_looking_at_probabilities_leaves_nothing_to_differentiate():
    model = lively(network())
    found = label_probabilities(model, torch.rand(4, 3, 24, 24))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4))
    assert not found.requires_grad


def test_new_labels_keep_the_weights_and_the_biases_of_the_old():
    model = lively(network(2))
    wider = add_labels(model)
    assert torch.equal(wider.head.weight[:2], model.head.weight) and torch.equal(wider.head.bias[:2], model.head.bias)
    assert model.head.out_features == 2 and wider.head.out_features == 3


def test_warming_up_may_take_all_steps_and_no_more():
    for steps in (1, 3, 40):
        assert ClassifierConfig(steps=steps, warmup=steps).warmup == steps
        with pytest.raises(ValueError, match=rf"ClassifierConfig\.warmup is {steps + 1}; it must be from 0 to {steps}"):
            ClassifierConfig(steps=steps, warmup=steps + 1)
