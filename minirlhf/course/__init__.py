"""All that exists only for the lessons. The subject, one folder up, needs nothing of it.

    check/             show(gae) prints the package's own code; check(my_gae) tries yours against it
    exercises/         what is asked of a learner: inputs to try a function on, and how people get it wrong
    plots/             every figure
    experiments/       what each lesson claims, measured
    recorded           runs kept in data/recorded, which would take too long in a lesson
    overoptimisation   what is gained by optimising a proxy, measured by the truth (lesson 09)
    book/              lessons that were run, bound as pages, slides, figures
    bench/             how quick it is, beside others
    texts              writes what is in data/
    copies             the learner's own copies of the lessons
    doctor, demo       the commands of these names

Five words. A lesson *claims* something in its text ("about 70 in 100"). Its *experiment* measures the number behind
each claim for a seed; the *band* is from where to where that number may lie for every seed. A *sweep* makes runs that
are too many for a lesson; they are *recorded*, and a figure that draws them says so.

What a new lesson needs: CONTRIBUTING.md.
"""
