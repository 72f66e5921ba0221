"""The main job, headless: from the shipped base model to one that people have tuned, and what that changed."""

from dataclasses import dataclass
from math import log
from pathlib import Path

from minirlhf import pipeline, plots
from minirlhf.checkpoint import load_policy, save
from minirlhf.course.copies import require_writable
from minirlhf.course.plots import BeforeAfter
from minirlhf.data import Prompts
from minirlhf.evaluate import Replies, accuracy_ceiling, compare
from minirlhf.feedback.simulated import PATIENT
from minirlhf.machine.require import require_counts
from minirlhf.machine.runtime import pin_threads
from minirlhf.machine.shares import process
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, PipelineResult, Recipe
from minirlhf.worlds import helpdesk


@dataclass(frozen=True)
class DemoConfig(Recipe):
    """SFT, simulated votes, reward model, PPO, and a comparison on customers that no stage has seen."""

    out: Path = Path("runs/demo")
    """Where the figures, the table and the tuned model are written."""

    compare_on: int = 300
    """On how many held-out customers the three models are compared."""

    exact: bool = False
    """Compute in float64, slower: then several processes give one process's table to the letter, not up to rounding."""

    def __post_init__(self) -> None:
        require_counts(self, "votes", "compare_on")


def demo(config: DemoConfig) -> None:
    """Tune the base model, show what changed, and say where the files are."""
    require_writable(config.out, "Name another folder: `minirlhf demo --out PATH`. Nothing was trained.")
    try:
        _demo(config)
    except KeyboardInterrupt as stop:
        stop.__notes__ = []  # a stage's advice is for who called it, and nothing is kept before the end
        raise


def _demo(config: DemoConfig) -> None:
    pin_threads()
    data = data_folder()
    base, tokenizer = load_policy(data / "checkpoints/base")
    if config.exact:
        base.double()
    made = pipeline.tune(base, tokenizer, data, config)

    prompts = Prompts.load(data / "prompts_held_out.jsonl", tokenizer, CONTEXT)
    prompts = Prompts(prompts.prompts[: config.compare_on])
    models = {"base": made.base, "SFT": made.sft, "RLHF": made.rlhf}
    columns = compare(models, prompts, tokenizer, helpdesk.gold, MAX_NEW_TOKENS)
    save(config.out / "rlhf", made.rlhf.float(), tokenizer)
    if process() != 0:  # the first one tells
        return
    asked = [tokenizer.decode(ids) for ids in prompts.prompts]
    table = plots.before_after_table(asked, columns)
    print(f"\n{table}\n\nJudged by the published gold score; the votes came from {PATIENT.name}.")

    written = draw(made, table, columns, config.out)
    print(f"\nWritten to {config.out}/: {', '.join(path.name for path in written)}, and the tuned model in rlhf/.")


def draw(made: PipelineResult, table: BeforeAfter, columns: dict[str, Replies], folder: Path) -> list[Path]:
    """Write the run's figures as PNG."""
    figures = {
        "before_after": table.figure(),
        "gold_scores": plots.score_strips(columns),
        "sft": plots.learning_curve(made.sft_records, "loss", levels={"ln V, knows nothing": log(512)}),
        "reward_model": plots.learning_curve(made.reward_records, "accuracy", levels=_levels(made)),
        "ppo": plots.training_dashboard(made.ppo_records),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    return [folder / f"{name}.png" for name in figures]


def _levels(made: PipelineResult) -> dict[str, float]:
    ceiling, _ = accuracy_ceiling([vote.probability for vote in made.votes])
    return {"a coin": 0.5, "all that noisy votes allow": ceiling}
