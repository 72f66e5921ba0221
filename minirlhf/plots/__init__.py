"""Pictures of records and tables: each function returns a matplotlib Figure that shows itself in a notebook.

    training_dashboard(ppo_records)                  learning_curve(sft_records, levels={"ln V": log(512)})
    before_after_table(prompts, {"base": replies})   score_strips({"base": replies, "SFT": replies})
    pipeline_map("reward model")                     word_bars({"sorry": 1.2, "fish": -0.7})
    calibration_plot(bins)                           frontier_plot({"RLHF": points})
    star_bars({"strict": [1, 2, 2]})                 agreement_matrix({("you", "me"): 0.6})
    word_shift(weights, replies, later_replies)      taste_progress(records_of_learn_taste)

While something trains, `LivePlot` draws one of them anew, in its place: see live.py.
To keep one: `training_dashboard(records).savefig("ppo.png")`.
"""

from minirlhf.plots.bars import calibration_plot, score_strips, word_bars
from minirlhf.plots.curves import frontier_plot, learning_curve, training_dashboard
from minirlhf.plots.language import COLOURS
from minirlhf.plots.live import LivePlot, taste_progress
from minirlhf.plots.map import STAGES, pipeline_map
from minirlhf.plots.people import agreement_matrix, star_bars
from minirlhf.plots.shift import word_shift
from minirlhf.plots.table import BeforeAfter, before_after_table

__all__ = [
    "COLOURS", "STAGES", "BeforeAfter", "LivePlot",
    "agreement_matrix", "before_after_table", "calibration_plot", "frontier_plot", "learning_curve", "pipeline_map",
    "score_strips", "star_bars", "taste_progress", "training_dashboard", "word_bars", "word_shift",
]  # fmt: skip
