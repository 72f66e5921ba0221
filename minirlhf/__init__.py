"""minirlhf: how people tune a language model, small enough to read and quick enough to watch.

Nothing is loaded until it is used: `minirlhf.gae` fetches `minirlhf/advantages.py` when first asked for.
So `import minirlhf` costs next to nothing, and a reader of one module need not wait for all of them.
"""

from importlib import import_module

__version__ = "0.1.0"

# Every public module, and the names in it that `from minirlhf import …` finds.
# A name stands in one place only, and is never the name of a module.
PUBLIC = {
    "ops": "last_true log_probs_and_entropy masked_mean masked_sum masked_whiten predictors scatter "
    "token_kl token_log_probs wins",
    "losses": "approval_loss bradley_terry_loss clipped_policy_loss clipped_value_loss cross_entropy "
    "policy_gradient_loss sft_loss",
    "advantages": "gae token_rewards",
    "tokenizer": "Tokenizer",
    "model": "CausalLM Classifier GPT GPTConfig RewardModel ValueModel",
    "data": "Comparisons Demonstrations Judgements Prompts collate",
    "workspace": "data_folder",
    "rollout": "Rollout Samples collect pick sample",
    "training": "TrainState paced pin_threads",
    "classify": "ClassifierConfig ClassifierRecord Labelled PictureClassifier add_labels encode_texts "
    "label_accuracy label_probabilities mislabel train_classifier",
    "sft": "SFTConfig SFTRecord train_sft",
    "reward": "AdditiveReward RewardConfig RewardRecord fit_additive normalise train_reward",
    "ppo": "Estimate PPOConfig PPORecord adapt_beta improve train_ppo",
    "reinforce": "Bandit BanditRecord ReinforceConfig ReinforceRecord bandit_gradient leave_one_out train_bandit "
    "train_reinforce",
    "best_of_n": "Candidates best_of_n_kl best_of_n_score draw_candidates",
    "ensemble": "Ensemble pessimistic resample",
    "evaluate": "Replies WinRate accuracy_ceiling calibration compare exact_kl pair_accuracy score_pairs "
    "wilson_interval win_rate",
    "overoptimisation": "GaoFit Standing fit_gao follow gain_at mean_interval refit runs_of score_pool stand "
    "stopped which_is_better",
    "checkpoint": "load_policy load_state",
    "metrics": "explain named",
    "recorded": "read_recorded write_recorded",
    "feedback": "",
    "feedback.votes": "Question Vote",
    "feedback.store": "FeedbackStore",
    "feedback.card": "FeedbackCard",
    "feedback.simulated": "simulate",
    "feedback.asking": "blind_test preferred write_questions",
    "feedback.pairs": "chosen_and_rejected clicks",
    "feedback.meaning": "demonstrations judgements preferences",
    "feedback.agreement": "cohen_kappa fleiss_kappa krippendorff_alpha left_bias self_agreement",
    "feedback.selection": "at_random gold_questions most_uncertain with_gold with_repeats",
    "feedback.formats": "export preference_dataset sft_dataset unpaired_dataset",
    "pipeline": "load_shipped tune",
    "plots": "LivePlot TokenStrip explore",  # and a figure is plots.its_name: there are some sixty
    "lessons": "author check show",
    "taste": "Reading Taste TasteConfig learn_taste",
    "experiments": "",
    "experiments.claims": "Claim",
}

HOME_OF = {name: module for module, names in PUBLIC.items() for name in names.split()}

MODULES = [module for module in PUBLIC if "." not in module]

__all__ = sorted([*MODULES, *HOME_OF])


def __getattr__(name: str):
    """Fetch a public module or name at its first use."""
    if name in MODULES:
        return import_module(f"{__name__}.{name}")
    if name in HOME_OF:
        found = getattr(import_module(f"{__name__}.{HOME_OF[name]}"), name)
        globals()[name] = found  # the next use finds it here, without asking again
        return found
    raise AttributeError(f"minirlhf has no public name {name!r}; dir(minirlhf) lists them")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
