"""What the lessons claim, measured: an experiment a lesson, its claims as bands, and the sweeps that figures draw.

minirlhf bands     every lesson's experiment over three seeds, kept in data/recorded/bands.json
minirlhf sweeps    the runs that are too many for a lesson, kept in data/recorded
"""
