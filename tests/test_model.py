"""The GPT is GPT-2's, the cache changes nothing, and each head reads where it should."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIZES, V, equal, generator, lively, talker, trunk
from transformers import GPT2Config, GPT2LMHeadModel

from minirlhf.model import Cache, CausalLM, GPTConfig, RewardModel, ValueModel, response_log_probs
from minirlhf.ops import token_log_probs

pytestmark = pytest.mark.usefixtures("one_thread")


def tokens(rows=3, columns=10, seed=0):
    return torch.randint(V, (rows, columns), generator=generator(seed))


def as_gpt2(model: CausalLM) -> GPT2LMHeadModel:
    """The same weights in transformers' GPT-2, whose linear layers are stored the other way round."""
    ours = model.trunk
    config = GPT2Config(
        vocab_size=V + 1,
        n_positions=SIZES.context,
        n_embd=SIZES.channels,
        n_layer=SIZES.layers,
        n_head=SIZES.heads,
        activation_function="relu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation="eager",
        bos_token_id=0,
        eos_token_id=0,
    )
    theirs = GPT2LMHeadModel(config).eval()
    pairs = [
        (theirs.transformer.wte, ours.token_embedding),
        (theirs.transformer.wpe, ours.position_embedding),
        (theirs.transformer.ln_f, ours.final_norm),
    ]
    for their, our in zip(theirs.transformer.h, ours.blocks, strict=True):
        pairs += [(their.ln_1, our.attention_norm), (their.ln_2, our.feed_forward_norm)]
        pairs += [(their.attn.c_attn, our.query_key_value), (their.attn.c_proj, our.attention_out)]
        pairs += [(their.mlp.c_fc, our.expand), (their.mlp.c_proj, our.contract)]
    with torch.no_grad():
        for their, our in pairs:
            turned = type(their).__name__ == "Conv1D"
            their.weight.copy_(our.weight.T if turned else our.weight)
            if hasattr(their, "bias"):
                their.bias.zero_() if our.bias is None else their.bias.copy_(our.bias)
    return theirs


def test_logits_and_log_probs_are_those_of_gpt2_with_the_same_weights():
    model, read = talker(), tokens()
    with torch.no_grad():
        ours, theirs = model(read), as_gpt2(model)(read).logits[:, :, :V]
    assert ours.std() > 1, "a test of a model without opinions tests nothing"
    equal(ours, theirs, 1e-5)
    chosen = theirs.log_softmax(dim=-1)[:, :-1].gather(2, read[:, 1:, None]).squeeze(2)
    equal(token_log_probs(ours, read, torch.ones_like(read, dtype=torch.bool))[:, 1:], chosen, 1e-5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_reading_in_parts_with_a_cache_equals_reading_at_once(parts):
    parts = parts[:3]
    model, cache, read = talker(), Cache(), tokens(columns=sum(parts))
    with torch.no_grad():
        at_once = model(read)
        in_parts = torch.cat([model(part, cache) for part in read.split(parts, dim=1)], dim=1)
    equal(in_parts, at_once, 1e-5)
    assert cache.length == sum(parts)


def test_a_cache_can_drop_rows():
    model, cache, read = talker(), Cache(), tokens(rows=4)
    kept = torch.tensor([2, 0])
    with torch.no_grad():
        model(read[:, :6], cache)
        cache.keep(kept)
        equal(model(read[kept, 6:], cache), model(read)[kept, 6:], 1e-5)


@given(st.integers(0, 9), st.integers(0, V))
def test_no_token_sees_what_comes_after_it(place, other):
    language, values = talker(), lively(ValueModel(trunk()))
    read = tokens()
    mask = torch.ones_like(read, dtype=torch.bool)
    changed = read.clone()
    changed[:, place:] = other
    with torch.no_grad():
        equal(language(changed)[:, :place], language(read)[:, :place], 1e-6)
        # one further for values: the value before a token cannot depend on that token
        equal(values(changed, mask)[:, : place + 1], values(read, mask)[:, : place + 1], 1e-6)


def test_the_value_before_a_token_depends_on_the_token_just_before_that():
    model, read = lively(ValueModel(trunk())), tokens()
    mask = torch.ones_like(read, dtype=torch.bool)
    changed = read.clone()
    changed[:, 4] = (changed[:, 4] + 1) % V
    with torch.no_grad():
        assert (model(changed, mask)[:, 5] != model(read, mask)[:, 5]).all()


@given(st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=3, max_size=3), st.integers(0, 9))
def test_asking_about_some_places_only_changes_nothing_there(rows, cached):
    model, values, read, where = talker(), lively(ValueModel(trunk())), tokens(), torch.tensor(rows)
    everywhere = torch.ones_like(where)
    with torch.no_grad():
        equal(model(read, at=where), model(read)[where], 1e-5)
        wanted = torch.where(where, values(read, everywhere), 0.0)
        equal(values(read, where), wanted, 1e-5)
        cache = Cache()
        model(read[:, :cached], cache) if cached else None
        equal(model(read[:, cached:], cache, where[:, cached:]), model(read)[:, cached:][where[:, cached:]], 1e-5)
        assert cache.length == 10, "and a cache remembers all that was read"


def test_the_score_is_read_at_the_last_token_of_the_response():
    model, read = lively(RewardModel(trunk())), tokens(columns=8)
    mask = torch.zeros(3, 8, dtype=torch.bool)
    for row, (begin, end) in enumerate(((2, 8), (3, 5), (1, 2))):
        mask[row, begin:end] = True
        alone = read[row : row + 1, :end]
        just_the_end = torch.zeros_like(alone, dtype=torch.bool)
        just_the_end[:, -1] = True
        with torch.no_grad():
            wanted = model(alone, just_the_end)
            equal(model(read, mask)[row : row + 1], wanted, 1e-5)
            after = read.clone()
            after[row, end:] = V
            equal(model(after, mask)[row : row + 1], wanted, 1e-5)
            before = read.clone()
            before[row, end - 1] = (before[row, end - 1] + 1) % V
            assert (model(before, mask)[row] - wanted).abs().item() > 1e-3


def test_scores_are_scaled_by_what_normalising_measured():
    model, read = lively(RewardModel(trunk())), tokens()
    mask = torch.ones_like(read, dtype=torch.bool)
    with torch.no_grad():
        raw = model(read, mask)
        model.mean.fill_(3.0)
        model.std.fill_(0.5)
        equal(model(read, mask) * 0.5 + 3.0, raw, 1e-5)


def test_a_fresh_reward_or_value_model_has_no_opinion_and_no_dead_head():
    read = tokens()
    mask = torch.ones_like(read, dtype=torch.bool)
    for model, output in ((r := RewardModel(trunk()), r(read, mask)), (v := ValueModel(trunk()), v(read, mask))):
        assert (output == 0).all()
        (output + 1).square().sum().backward()
        assert model.head.weight.grad.abs().sum() > 0


def test_padding_has_an_embedding_and_no_logit():
    model = talker()
    assert model.trunk.token_embedding.num_embeddings == V + 1
    assert model(tokens()).shape == (3, 10, V)
    model(tokens()).sum().backward()
    assert (model.trunk.token_embedding.weight.grad[V] == 0).all()


def test_there_is_no_dropout_to_make_two_readings_differ():
    model, read = talker().train(), tokens()
    with torch.no_grad():
        assert torch.equal(model(read), model(read))
        assert torch.equal(model(read), model.eval()(read))


def test_too_long_a_row_says_how_long_and_what_to_do():
    model, cache = talker(), Cache()
    with pytest.raises(ValueError, match=r"17 tokens.*at most 16.*longer context"):
        model(tokens(columns=17))
    model(tokens(columns=16), cache)
    with pytest.raises(ValueError, match="17 tokens"):
        model(tokens(columns=1), cache)


@pytest.mark.parametrize("name", ["vocab_size", "context", "layers", "heads", "channels"])
def test_sizes_below_one_fail_where_they_are_written(name):
    for size in (0, -3):
        with pytest.raises(ValueError, match=rf"GPTConfig\.{name} is {size}"):
            replace(SIZES, **{name: size})


def test_heads_must_share_the_channels_evenly():
    with pytest.raises(ValueError, match=r"channels \(16\) must be a multiple of heads \(3\)"):
        GPTConfig(channels=16, heads=3)


@pytest.mark.parametrize("layers", [1, 2, 8])
def test_fresh_weights_have_gpt2s_spread_and_what_is_added_to_the_stream_less_of_it(layers):
    """0.02, over √(2 L) for the two layers of each block that add to the stream (Radford et al., 2019)."""
    torch.manual_seed(0)
    fresh = trunk(0, replace(SIZES, layers=layers, channels=64, vocab_size=300, context=64))
    for name, weight in fresh.named_parameters():
        if weight.dim() == 2:
            added = name.endswith(("attention_out.weight", "contract.weight"))
            wanted = 0.02 / (2 * layers) ** 0.5 if added else 0.02
            assert weight.std().item() == pytest.approx(wanted, rel=0.06), name
            assert abs(weight.mean().item()) < 0.1 * wanted
        else:
            assert set(weight.unique().tolist()) <= {0.0, 1.0}, "norms begin by changing nothing"


def test_the_stream_keeps_its_scale_however_many_layers_add_to_it():
    """What is added to the embeddings of a fresh model has the same size for one layer and for sixteen."""

    def added(layers):
        model = trunk(0, replace(SIZES, layers=layers, channels=64))
        x = start = model.token_embedding(tokens()) + model.position_embedding.weight[:10]
        for block in model.blocks:
            x = block(x)
        return (x - start).std().item()

    with torch.no_grad():
        assert added(16) == pytest.approx(added(1), rel=0.25)


def test_log_probs_of_a_response_are_its_own_and_0_elsewhere():
    policy, read = talker(), tokens()
    mask = torch.zeros_like(read, dtype=torch.bool)
    mask[0, 3:7], mask[1, 1:], mask[2, 9:] = True, True, True
    with torch.no_grad():
        log_probs, entropies = response_log_probs(policy, read, mask)
        distributions = policy(read).log_softmax(dim=-1)
    for row, place in torch.cartesian_prod(torch.arange(3), torch.arange(10)).tolist():
        if not mask[row, place]:
            assert log_probs[row, place] == entropies[row, place] == 0
        else:
            before = distributions[row, place - 1]
            equal(log_probs[row, place], before[read[row, place]], 1e-5)
            equal(entropies[row, place], -(before.exp() * before).sum(), 1e-5)


def test_each_head_moves_a_model_of_its_own_and_a_response_of_no_tokens_has_a_score_all_the_same():
    read, mask = tokens(), torch.zeros(3, 10, dtype=torch.bool)
    mask[1:, 4:6] = True
    scores = lively(RewardModel(trunk()))(read, mask)
    assert scores.shape == (3,) and scores.isfinite().all()
    assert (lively(ValueModel(trunk()))(read, mask)[0] == 0).all()


def test_every_weight_matters():
    """What could be left out without a trace (a norm, a position, a bias) would be found here."""
    model, read = talker(), tokens(columns=SIZES.context)
    model(read).square().sum().backward()
    for name, weight in model.named_parameters():
        used = weight.grad[:V] if name.endswith("token_embedding.weight") else weight.grad
        assert used.abs().sum() > 0, name


def test_the_context_is_counted_with_what_the_cache_has_read():
    model, read = talker(), tokens(columns=SIZES.context)
    assert model(read).shape == (3, SIZES.context, V), "a row may be as long as the context"
    cache = Cache()
    model(read[:, :9], cache)
    with pytest.raises(ValueError, match="18 tokens"):
        model(read[:, :9], cache)
