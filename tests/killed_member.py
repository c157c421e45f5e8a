"""The door of the training as torchrun starts it; the second process is killed once the first has written its second checkpoint."""

import os
import signal

from pipeline.appearance import train as training
from pipeline.door import run_door
from stages.train_appearance import main

take = training._batches


def take_until_killed(world, alone, clip, windows, *keys, **rest):
    """A step's batches; from the third step on, the second process is no more."""
    if world.rank == 1 and keys == (training.DRAW_STEP, 2):
        os.kill(os.getpid(), signal.SIGKILL)
    return take(world, alone, clip, windows, *keys, **rest)


if __name__ == "__main__":
    training._batches = take_until_killed
    run_door(main, several=True)
