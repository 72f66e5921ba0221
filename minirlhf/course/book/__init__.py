"""The lessons to read and to show: executed once, then bound as a book (pages) or laid out as slides.

Nothing that is made here needs a network to be read: formulas are MathML, scripts and styles lie beside the pages.
"""
