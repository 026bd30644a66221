"""Learning rate as a pure function of the step."""

import math


def warmup_cosine(step: int, steps: int, warmup: int, peak: float) -> float:
    """Rise linearly to the peak over `warmup` steps, then fall along half a cosine to zero at `steps`.

    Args:
        step: from 0.
        steps: number of steps in all, above `warmup`.
        warmup: number of steps of the rise; the first step already learns.
        peak: highest learning rate.

    Returns:
        The learning rate of this step.

    Source: Loshchilov and Hutter 2017, "SGDR", without restarts.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
