"""Pictures of records and tables: each function returns a matplotlib Figure that shows itself in a notebook.

    training_dashboard(ppo_records)                  learning_curve(sft_records, levels={"ln V": log(512)})
    before_after_table(prompts, {"base": replies})   score_strips({"base": replies, "SFT": replies})
    pipeline_map("reward model")                     word_bars({"sorry": 1.2, "fish": -0.7})
    calibration_plot(bins)                           frontier_plot({"RLHF": points})
    star_bars({"strict": [1, 2, 2]})                 agreement_matrix({("you", "me"): 0.6})
    word_shift(weights, replies, later_replies)      taste_progress(records_of_learn_taste)
    bandit_progress(records_of_train_bandit)         clip_view(log_ratios, advantage=1, clip=0.2)
    explore(draw, temperature=[0.5, 1.0])            TokenStrip(pieces, {"advantage": numbers}, details)
    microscope(rollout, rewards, estimates, …)       symptoms({"healthy": records, "A": records})

While something trains, `LivePlot` draws one of them anew, in its place: see live.py.
To keep one: `training_dashboard(records).savefig("ppo.png")`.
"""

from minirlhf.course.plots.bars import calibration_plot, score_strips, word_bars
from minirlhf.course.plots.curves import frontier_plot, learning_curve, training_dashboard
from minirlhf.course.plots.decision import cost_table, interval_ladder, score_by_minutes, two_verdicts, win_rates
from minirlhf.course.plots.explore import explore
from minirlhf.course.plots.gradients import (
    bandit_progress,
    bandit_runs,
    bandit_tries,
    clip_view,
    credit_bars,
    gradient_spread,
    lambda_spread,
    reinforce_progress,
    reuse_plot,
)
from minirlhf.course.plots.hacking import (
    choice_curves,
    gold_by_distance,
    hack_signs,
    proxy_and_gold,
    remedy_dots,
    three_judges,
)
from minirlhf.course.plots.imitation import (
    memorising_curve,
    more_steps,
    run_panels,
    shift_arrows,
    supervision_strip,
    tone_shares,
)
from minirlhf.course.plots.labels import (
    different_answers,
    label_bars,
    label_curve,
    picture_folders,
    picture_guesses,
    right_by_group,
    taught_and_found,
    wrong_labels,
)
from minirlhf.course.plots.language import COLOURS
from minirlhf.course.plots.live import LivePlot, taste_progress
from minirlhf.course.plots.map import STAGES, pipeline_map
from minirlhf.course.plots.microscope import microscope
from minirlhf.course.plots.next_token import (
    end_to_end,
    loss_curves,
    next_pieces,
    piece_strip,
    shift_map,
    surprise_strip,
)
from minirlhf.course.plots.people import agreement_matrix, star_bars, voters_compared
from minirlhf.course.plots.ppo_runs import four_models, leash_plot, leash_progress, symptoms
from minirlhf.course.plots.preference import (
    accuracy_by_votes,
    coin_range,
    kept_back_bars,
    remedy_by_steps,
    swapped_losses,
    two_scores,
)
from minirlhf.course.plots.reply import expectations, pay_slip
from minirlhf.course.plots.scoring import customer_squares, length_lines, score_places, score_scales
from minirlhf.course.plots.shift import word_shift
from minirlhf.course.plots.strip import TokenStrip
from minirlhf.course.plots.table import BeforeAfter, before_after_table

__all__ = [
    "COLOURS",
    "STAGES",
    "BeforeAfter",
    "LivePlot",
    "TokenStrip",
    "accuracy_by_votes",
    "agreement_matrix",
    "bandit_progress",
    "bandit_runs",
    "bandit_tries",
    "before_after_table",
    "calibration_plot",
    "choice_curves",
    "clip_view",
    "coin_range",
    "cost_table",
    "credit_bars",
    "customer_squares",
    "different_answers",
    "end_to_end",
    "expectations",
    "explore",
    "four_models",
    "frontier_plot",
    "gold_by_distance",
    "gradient_spread",
    "hack_signs",
    "interval_ladder",
    "kept_back_bars",
    "label_bars",
    "label_curve",
    "lambda_spread",
    "learning_curve",
    "leash_plot",
    "leash_progress",
    "length_lines",
    "loss_curves",
    "memorising_curve",
    "microscope",
    "more_steps",
    "next_pieces",
    "pay_slip",
    "picture_folders",
    "picture_guesses",
    "piece_strip",
    "pipeline_map",
    "proxy_and_gold",
    "reinforce_progress",
    "remedy_by_steps",
    "remedy_dots",
    "reuse_plot",
    "right_by_group",
    "run_panels",
    "score_by_minutes",
    "score_places",
    "score_scales",
    "score_strips",
    "shift_arrows",
    "shift_map",
    "star_bars",
    "supervision_strip",
    "surprise_strip",
    "swapped_losses",
    "symptoms",
    "taste_progress",
    "taught_and_found",
    "three_judges",
    "tone_shares",
    "training_dashboard",
    "two_scores",
    "two_verdicts",
    "voters_compared",
    "win_rates",
    "word_bars",
    "word_shift",
    "wrong_labels",
]
