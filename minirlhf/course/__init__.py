"""All that exists only for the lessons. The subject, one folder up, needs nothing of it.

    check/             show(gae) prints the package's own code; check(my_gae) tries yours against it
    exercises/         what a learner is asked to write: inputs to try it on, and the known mistakes
    plots/             every figure and widget
    experiments/       what each lesson claims, measured
    recorded           runs kept in data/recorded, which would take too long in a lesson
    overoptimisation   proxy and gold score while a proxy is optimised (lesson 09)
    book/              lessons that were run, bound as pages, slides, figures
    bench/             how quick it is, beside others
    texts              writes what is in data/
    copies             the learner's own copies of the lessons
    doctor, demo       the commands of these names

Files that serve one lesson carry its number; they are found by their names and listed nowhere. What a new lesson needs
is in CONTRIBUTING.md, and a test lists what one lacks. Five words:

    experiment   a lesson's measurement: `measure(seed)` does what the lesson does, and returns a number for each claim
    claim        words of the lesson's text, to the letter, and the number that they rest on
    band         the least and the most that a claim's number may be; `minirlhf bands` measures all with three seeds
    sweep        runs that are too many for a lesson, as rows: `minirlhf sweeps` makes and keeps them
    recorded     made earlier and kept in data/recorded; every figure drawn from it says so
"""
