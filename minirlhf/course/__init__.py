"""All that exists only for the lessons; nothing outside imports it but the command line.

A lesson is a notebook that shows the package's own functions (`show`), lets the learner write some of them (`check`),
and draws what training does. Its numbers are held to what its text says. Lesson NN is these files:

    notebooks/NN_its_name.ipynb       the lesson, outputs stripped
    notebooks/teaching/NN.md          its plans for 20, 50 and 90 minutes, answers, what to do when something fails
    exercises/lesson_NN.py            the exercises that it poses first, each with its known mistakes
    experiments/lesson_NN.py          its claims, `measure(seed)` for their numbers, and its sweeps
    data/recorded/                    its rows in bands.json, its sweeps, its figures: made by the three commands below
    README.md, notebooks/glossary.ipynb   a line in the list of lessons; an entry for every word that it introduces

Exercises, experiments and lessons are found by their file names and listed nowhere. Tests say what a lesson lacks.

Five words:

    experiment   a lesson's measurement: `measure(seed)` does what the lesson does, and returns a number for each claim
    claim        words of the lesson's text, to the letter, and the number behind them
    band         the least and the most that a claim's number may be; `minirlhf bands` measures all with three seeds
    sweep        runs that are too many for a lesson, as rows: `minirlhf sweeps` makes and keeps them
    recorded     made earlier and kept in data/recorded; whatever is drawn from it says so. `minirlhf figures` records
                 every figure of every lesson

The parts:

    check/ exercises/     `show`, `check` and `progress`; what there is to write
    plots/                every figure and widget of the lessons
    experiments/          claims and sweeps
    book/ bench/          the lessons as pages and slides; speed against other people's code
    overoptimisation.py   proxy and gold score against KL; recorded.py reads and writes data/recorded
    texts.py              writes what is in data/
    copies.py doctor.py demo.py   the learner's own copies; is this installation fit; the whole line, headless
"""
