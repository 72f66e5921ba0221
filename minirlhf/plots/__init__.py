"""Pictures of records and tables: each function returns a matplotlib Figure that shows itself in a notebook.

    training_dashboard(ppo_records)                  learning_curve(sft_records, levels={"ln V": log(512)})
    before_after_table(prompts, {"base": replies})   score_strips({"base": replies, "SFT": replies})
    pipeline_map("reward model")                     word_bars({"sorry": 1.2, "fish": -0.7})
    calibration_plot(bins)                           frontier_plot({"RLHF": points})

To keep one: `training_dashboard(records).savefig("ppo.png")`.
"""

from minirlhf.plots.bars import calibration_plot, score_strips, word_bars
from minirlhf.plots.curves import frontier_plot, learning_curve, training_dashboard
from minirlhf.plots.language import COLOURS
from minirlhf.plots.map import STAGES, pipeline_map
from minirlhf.plots.table import BeforeAfter, before_after_table

__all__ = [
    "COLOURS", "STAGES", "BeforeAfter",
    "before_after_table", "calibration_plot", "frontier_plot", "learning_curve", "pipeline_map",
    "score_strips", "training_dashboard", "word_bars",
]  # fmt: skip
