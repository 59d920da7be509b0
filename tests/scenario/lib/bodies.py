"""Pieces of request bodies that many tests need."""

HANG_MS = 300000


def sim(**members):
    """params for the simulated provider."""
    return {"sim": members}


def hanging():
    """A simulated call that says nothing for minutes: it ends by a cancel or a timeout only."""
    return sim(first_ms=HANG_MS)


def fails(how, **members):
    """A simulated call that fails on every attempt, or on those named."""
    return sim(fail=[{"as": how, **members}])
