"""The classroom: a room votes from its phones, and the model changes on the projector.

Three processes share one database, the votes' own. The server (app.py) takes votes and never trains, so no training can
make a phone wait. The learner (learning.py) trains and never serves, so no phone can make a training wait. Whoever
opened the room, a command or a notebook (session.py), may stop and start again: the room goes on, and is found again.

Read rooms.py first: what a room is, and why no vote is lost or counted twice.
"""

from minirlhf.classroom.session import Session, attach, open

__all__ = ["Session", "attach", "open"]
