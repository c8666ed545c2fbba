"""How much a worker gets, and how long it is believed in: the same for threads and for Ray."""

IN_FLIGHT = 2  # jobs of one worker: the next one's files arrive while this one is sampled
MOST_STARTS = 3  # of a ComfyUI that does not come to answer, one after another
MOST_POISONED = 3  # jobs that a worker does not survive, one after another


def most_losses(tries: int) -> int:
    """How often a worker may be lost without a job ended in between: no job alone can be the reason.

    tries: of each job.
    """
    return MOST_POISONED * tries + 1
