"""How a cascade is trained: options of ``train_cascade.py`` and their defaults."""
from typing import NamedTuple

VALIDATION = .2   # share of the faces and of the other windows that is held out
ENOUGH = 200      # other windows that a stage is still trained with


class Goal(NamedTuple):
    """What each stage is trained for.

    Attributes:
        hit_rate (float): Share of the faces that passes, at least.
        false_alarm (float): Share of other windows that passes, at most.
        most (int): Number of weak classifiers, at most.
        share (float): Of the features, for each weak classifier to choose from.
    """

    hit_rate: float = .994
    false_alarm: float = .5
    most: int = 300
    share: float = .2


class Augmentation(NamedTuple):

    """How far a face is varied at most, in both directions.

    Attributes:
        turn (float): In degrees.
        shift (float): As a fraction of the window's side.
        scale (float): Logarithm of the size.
        light (float): Contrast and brightness, as a fraction of full white.
        mirror (bool): Whether half of the faces are mirrored.
        hidden (float): Share of the faces of which a part is painted over.
    """

    turn: float = 20.
    shift: float = .04
    scale: float = .1
    light: float = .2
    mirror: bool = True
    hidden: float = 0


class Plan(NamedTuple):

    """How the stages of a cascade are trained.

    Attributes:
        size (tuple): Width and height of the window, in pixels.
        stages (int): At most.
        goal (Goal): What each is trained for.
        positives (int): Faces to train a stage with, varied from those given.
        negatives (int): Other windows to train a stage with.
        search (float): Windows to search for them before each stage, at most.
        augmentation (Augmentation): How far faces are varied.
        fps (float): Frames to take of each second of a video.
        seed (int): The same gives the same cascade.
    """

    size: tuple[int, int] = (24, 24)
    stages: int = 15
    goal: Goal = Goal()
    positives: int = 24000
    negatives: int = 14000
    search: float = 6e8
    augmentation: Augmentation = Augmentation()
    fps: float = 1.
    seed: int = 0
