"""The clinic: symptoms of sick runs, each with its cause, its cure and a run of a few seconds that has it.

    clinic()                  all symptoms, by stage
    clinic("loss is 0")       the one that these words speak of: why, a picture, what helps, where people met it
    patient(3)                a run with a planted defect, or a healthy one: name it (lesson 13)
    patient(3, "no leash")    your diagnosis

symptom.py says what a symptom is; imitating, choosing, climbing, preferring and verifying hold them, in the order of
the stages, and table.py all of them; tiny.py has the models on which they run; patients.py the ward; desk.py is where
one asks.
"""
