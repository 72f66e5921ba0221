"""Figures of records and tables: each function returns a matplotlib Figure, which a notebook shows.

    training_dashboard(ppo_records)                  is this PPO run healthy? six panels
    learning_curve(records, "loss", levels={…})      any metric of any stage over its steps
    before_after_table(prompts, {"base": replies})   replies of several models side by side, their scores, win rates
    score_strips({"base": replies, "SFT": replies})  gold scores and their 95 % intervals
    word_bars(weights)                               the largest weights of an additive reward model
    word_shift(weights, before, after)               how often a model says those words, before and after
    pipeline_map("reward model")                     the course on one page

    explore(draw, temperature=[0.5, 1.0])            sliders above a figure of yours
    LivePlot(training_dashboard).watch(records)      a figure that is redrawn while something trains
    TokenStrip(pieces, {"advantage": numbers}, …)    a text, token by token; click on one for its numbers

The other figures belong to one lesson each and are in `lesson_NN.py`; how all of them look is in `style.py`. Nothing is
loaded until it is used. To keep a figure: `training_dashboard(records).savefig("ppo.png")`.
"""

from importlib import import_module

# Every file, and the names in it that `plots.…` finds.
PUBLIC = {
    "style": "COLOURS",
    "curves": "learning_curve training_dashboard",
    "replies": "score_strips word_bars word_shift",
    "table": "BeforeAfter before_after_table",
    "map": "STAGES pipeline_map",
    "live": "LivePlot taste_progress",
    "explorer": "explore",
    "strip": "TokenStrip",
    "lesson_01": "different_answers label_bars label_curve picture_folders picture_guesses right_by_group "
    "taught_and_found wrong_labels",
    "lesson_02": "end_to_end loss_curves next_pieces piece_strip shift_map surprise_strip",
    "lesson_03": "memorising_curve more_steps run_panels shift_arrows supervision_strip tone_shares",
    "lesson_04": "agreement_matrix star_bars",
    "lesson_05": "accuracy_by_votes coin_range kept_back_bars remedy_by_steps swapped_losses two_scores",
    "lesson_05_scores": "calibration_plot customer_squares length_lines score_places score_scales",
    "lesson_06": "bandit_progress bandit_runs bandit_tries clip_view credit_bars gradient_spread lambda_spread "
    "reinforce_progress reuse_plot",
    "lesson_07": "expectations four_models leash_plot leash_progress pay_slip symptoms",
    "lesson_07_microscope": "microscope",
    "lesson_08": "voters_compared",
    "lesson_09": "choice_curves gold_by_distance hack_signs proxy_and_gold remedy_dots three_judges",
    "own_data": "text_lengths",
    "lesson_10": "cost_table interval_ladder score_by_minutes two_verdicts win_rates",
    "lesson_11": "broken_runs chosen_may_fall direct_progress held_out_turn implied_bars mass_moved optimum_bars "
    "two_walks",
    "lesson_12": "checked_ways dead_curve group_card group_microscope group_squares judge_seats leash_walks "
    "paid_and_right pass_at_k_curves step_sizes stop_lengths",
    "lesson_14": "memory_bars rates_plot same_curve shares_plot",
    "classroom": "divided_pairs receipt_dots room_answers room_training troll_dial",
}
HOME_OF = {name: module for module, names in PUBLIC.items() for name in names.split()}
__all__ = sorted(HOME_OF)


def __getattr__(name: str):
    """Fetch a figure's file at its first use."""
    if name not in HOME_OF:
        raise AttributeError(f"plots has no figure {name!r}; dir(plots) lists them")
    found = getattr(import_module(f"{__name__}.{HOME_OF[name]}"), name)
    globals()[name] = found  # the next use finds it here, without asking again
    return found


def __dir__() -> list[str]:
    return __all__
