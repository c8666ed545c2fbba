"""The truth on a GPU: real sizes, random weights, measured in a quarter of an hour on a machine without a network.

``pack.py`` makes what must travel, ``run.py`` is the one command there. Each other module holds measures: generators
that yield a ``Row`` as soon as it is known.
"""
