"""Stages put together: the whole line in one go, and from somebody's votes to a changed model."""
