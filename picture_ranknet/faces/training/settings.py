"""How a cascade is trained: options of ``train_cascade.py`` and their defaults."""
from typing import NamedTuple

VALIDATION = .2   # fraction of the faces and of the other windows to hold out
ENOUGH = 200      # fewest other windows to train a stage with


class Goal(NamedTuple):
    """What each stage is trained for.

    Attributes:
        hit_rate (float): Minimum fraction of the faces that pass.
        false_alarm (float): Maximum fraction of other windows that pass.
        most (int): Maximum number of weak classifiers.
        share (float): Fraction of the features that each weak classifier chooses from.
    """

    hit_rate: float = .994
    false_alarm: float = .5
    most: int = 300
    share: float = .2


class Augmentation(NamedTuple):

    """Maximum augmentation of a face, in both directions.

    Attributes:
        turn (float): Rotation in degrees.
        shift (float): As a fraction of the window's side.
        scale (float): Logarithm of the size.
        light (float): Contrast and brightness, as a fraction of full white.
        mirror (bool): Whether to mirror half of the faces.
        hidden (float): Fraction of the faces that are partly painted over.
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
