"""All exercises, in the order of the lessons: what a module lesson_NN defines is found, and named nowhere else."""

from importlib import import_module
from pkgutil import iter_modules

from minirlhf.course.exercises.exercise import Case, Exercise, Mistake

EXERCISES = {
    exercise.name: exercise
    for module in sorted(module.name for module in iter_modules(__path__) if module.name.startswith("lesson_"))
    for exercise in vars(import_module(f"{__name__}.{module}")).values()
    if isinstance(exercise, Exercise)
}

__all__ = ["EXERCISES", "Case", "Exercise", "Mistake"]
