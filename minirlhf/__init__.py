"""minirlhf: how people tune a language model, small enough to read and quick enough to watch.

Read in this order; each file needs only those above it:

    ops            masks, the one shift, log-probabilities
    losses         every loss, an equation: tensors in, (scalar, dict of floats) out
    advantages     from a score a response to an advantage a token: the KL penalty, GAE
    files/         files that other people wrote: unpacked, told apart, parsed without harm
    tokenizer      byte-level BPE of 512 entries
    jsonl          rows of texts, checked whole
    data           rows of text as the stages read them
    machine/       threads, time, several processes; what cannot work is refused
    model          what is asked of a trunk, a small GPT, and four heads
    rollout        sampling, and what one batch of it leaves behind
    training       one optimiser step, the state of a run, stopping well
    sft            stage 1: imitate good answers
    reward         stage 2: a score from people's choices (Bradley-Terry)
    ppo            stage 3: move the policy towards the score, near its reference

That is SFT, reward model and PPO. What came after:

    dpo            votes train the policy itself: no reward model, no sampling
    kto            the same with thumbs
    groups         what a group says of each reply, how tokens are averaged, what distance costs
    grpo           PPO without a value model: a group of replies is its own baseline

The other stages, and what a trained model is asked:

    additive       a reward model for sixty votes: a weight for every word
    reinforce      PPO's simpler parent: one batch, one step, no value model
    bandit         the same where a policy is a handful of numbers and all can be worked out
    best_of_n      no training: draw n replies, keep the best
    ensemble       several reward models, and distrust where they differ
    classify       learning from labels: pictures, moods
    intervals      how sure a count makes us
    evaluate       is it good: win rates, exact KL, calibration
    metrics/       what each reported number means, and TRL's name for it
    checkpoint     save, load, resume
    real/          models that people use: a trunk from transformers, LoRA, checkpoints that others open
    paths          where data, lessons and votes are

And all of it put together:

    worlds/        the small worlds that the models talk about
    verifiers      programs that say whether a reply is right
    feedback/      votes: store, meaning, agreement, selection; card/ on the screen, formats/ in and out
    recipes/       stages put together: the whole line in one go (pipeline); from your votes to a model (taste, direct)
    classroom/     a room votes from its phones, and the model changes on the projector: server, learner, pages
    course/        all that exists only for the lessons: show and check, exercises, figures, book, bench, commands

Nothing is loaded until it is used: `minirlhf.gae` fetches `minirlhf/advantages.py` when first asked for. So
`import minirlhf` costs next to nothing, and a reader of one module need not wait for all of them.
"""

from importlib import import_module

__version__ = "0.1.0"

# Every public module, and the names in it that `from minirlhf import …` finds.
# A name stands in one place only, and is never the name of a module.
PUBLIC = {
    "ops": "last_true masked_mean masked_sum masked_whiten pairwise_wins predicting_positions token_kl token_log_probs",
    "losses": "approval_loss bradley_terry_loss clipped_policy_loss clipped_value_loss cross_entropy dpo_loss "
    "implicit_reward policy_gradient_loss sft_loss",
    "advantages": "gae leave_one_out token_rewards",
    "tokenizer": "Tokenizer",
    "model": "CausalLM Classifier GPT GPTConfig RewardModel Trunk ValueModel fork",
    "data": "Comparisons Demonstrations Judgements Prompts collate",
    "paths": "data_folder",
    "machine.runtime": "pin_threads",
    "machine.pace": "time_limited",
    "rollout": "Rollout Samples collect inverse_cdf_sample sample",
    "training": "TrainState",
    "classify": "ClassifierConfig Labelled PictureClassifier add_labels encode_texts label_accuracy "
    "label_probabilities mislabel train_classifier",
    "sft": "SFTConfig train_sft",
    "reward": "RewardConfig normalise train_reward",
    "additive": "AdditiveReward fit_additive",
    "ppo": "Estimate PPOConfig adapt_beta ppo_update train_ppo",
    "dpo": "DPOConfig train_dpo",
    "kto": "KTOConfig kto_loss train_kto",
    "groups": "centred_advantages constant_mean dead_groups frac_reward_zero_std group_advantages k1 k2 k3 "
    "sequence_mean standardised_advantages",
    "grpo": "GRPOConfig train_grpo",
    "worlds.helpdesk_attacks": "attack",
    "verifiers": "mentions_remedy right_remedy score_by well_formed",
    "reinforce": "ReinforceConfig train_reinforce",
    "bandit": "Bandit bandit_gradient exact_optimum train_bandit",
    "best_of_n": "best_of_n_kl best_of_n_score draw_candidates",
    "ensemble": "Ensemble pessimistic resample",
    "intervals": "wilson_interval",
    "evaluate": "Replies accuracy_ceiling calibration compare exact_kl pair_accuracy pass_at_k score_pairs win_rate",
    "checkpoint": "load_policy load_state",
    "machine.shares": "mean_of_shares",
    "real.lora": "lora_linear with_lora",
    "real.pretrained": "load_pretrained",
    "recipes.pipeline": "load_shipped tune",
    "recipes.taste": "Reading Taste TasteConfig learn_taste",
    "recipes.direct": "DirectConfig DirectReading implied_weights learn_directly",
    "feedback.votes": "Question Vote",
    "feedback.store": "FeedbackStore",
    "feedback.card.widget": "FeedbackCard",
    "feedback.simulated": "simulate",
    "feedback.judges": "BothOrders Judge ServedJudge",
    "feedback.asking": "blind_test preferred write_questions",
    "feedback.pairs": "chosen_and_rejected",
    "feedback.meaning": "demonstrations judgements preferences",
    "feedback.agreement": "cohen_kappa fleiss_kappa krippendorff_alpha left_bias self_agreement",
    "feedback.formats": "export import_votes preference_dataset read_votes sft_dataset unpaired_dataset",
    "course.check": "author check show",
    "course.clinic.desk": "clinic patient",
    "course.clinic.signs": "first_ratio",
    "course.plots": "LivePlot TokenStrip explore",  # and a figure is plots.its_name: there are some sixty
    "course.recorded": "read_recorded write_recorded",
    "course.overoptimisation": "bootstrap_fits fit_gao interpolate_gain recorded_runs score_pool t_interval track "
    "truncate which_is_better",
}

HOME_OF = {name: module for module, names in PUBLIC.items() for name in names.split()}

MODULES = {module.split(".")[-1]: module for module in PUBLIC if "." not in module} | {
    "metrics": "metrics",
    "pipeline": "recipes.pipeline",
    "taste": "recipes.taste",
    "feedback": "feedback",
    "plots": "course.plots",
}

# Lessons that somebody has changed keep the names of the day they were copied.
RENAMED = {
    "follow": "track",
    "gain_at": "interpolate_gain",
    "improve": "ppo_update",
    "mean_interval": "t_interval",
    "paced": "time_limited",
    "pick": "inverse_cdf_sample",
    "predictors": "predicting_positions",
    "refit": "bootstrap_fits",
    "runs_of": "recorded_runs",
    "stopped": "truncate",
}

__all__ = sorted([*MODULES, *HOME_OF])


def __getattr__(name: str):
    """Fetch a public module or name at its first use."""
    if name in MODULES:
        return import_module(f"{__name__}.{MODULES[name]}")
    current = RENAMED.get(name, name)
    if current in HOME_OF:
        found = getattr(import_module(f"{__name__}.{HOME_OF[current]}"), current)
        globals()[name] = found  # the next use finds it here, without asking again
        return found
    raise AttributeError(f"minirlhf has no public name {name!r}; dir(minirlhf) lists them")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
