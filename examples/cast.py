"""The characters of the demo's videos, and how the demo's simulated person likes them."""
import colorsys
import math
from dataclasses import dataclass

# How much more the person likes somebody for ...
COOL_HAIR = 1.1  # ... cyan and blue hair (1), black and silver (0), red and orange (-1)
BIG_EYES = .6    # ... big eyes (1), usual ones (0), small ones (-1)
SMILE = .4       # ... a laugh (1), a serious face (-1)
RIBBON = .5
GLASSES = -.5
AVERAGE = 2.8


@dataclass(frozen=True)
class Character:

    """What a character looks like; colours are ``'#rrggbb'``."""

    name: str
    back: str         # the hair behind: a key of hair.BACKS
    bangs: str        # the hair in front: a key of hair.BANGS
    hair: str
    eyes: str
    eye_size: float   # 1 is usual
    eye_slant: float  # above 0 the outer corner is high
    skin: str
    extra: str        # what is worn on the head: a key of wardrobe.EXTRAS, or 'none'
    outfit: str       # a key of wardrobe.OUTFITS
    cloth: str
    accent: str       # the colour of ribbons, ties, hair ties and extras


@dataclass(frozen=True)
class Expression:

    """What a face does."""

    mouth: str        # a key of face.MOUTHS
    opening: float    # of the eyes; 1 is usual
    brow_lift: float
    brow_slant: float
    blush: float
    smile: float      # how friendly it looks, from -1 to 1


EXPRESSIONS = {
    'calm':      Expression('calm',       1.00,  .00,  .00, .25,   0),
    'smiling':   Expression('smile',      1.00,  .02,  .03, .40,  .6),
    'laughing':  Expression('laugh',       .95,  .06,  .06, .50,   1),
    'surprised': Expression('astonished', 1.10,  .12,  .05, .25,   0),
    'serious':   Expression('frown',       .88, -.05, -.16, .05,  -1),
    'shy':       Expression('wave',        .92,  .03,  .14, .85,  .3),
}


def read_cast(table):
    """Characters from a table with a line for each and the columns of ``Character``."""
    for line in table.strip().splitlines():
        *looks, size, slant, skin, extra, outfit, cloth, accent = line.split()
        yield Character(*looks, float(size), float(slant), skin, extra, outfit, cloth, accent)


# name  back     bangs  hair    eyes    size slant skin    extra      outfit     cloth   accent
TRAIN_CAST = tuple(read_cast("""
Aoi    long     blunt  #3e68cf #e0a030 1.10  .00 #ffe9dc ribbon     sailor     #f6f6fb #e0405a
Hinata short    messy  #dd7a33 #3d9a55  .90  .05 #eebf9c headphones hoodie     #f2c14e #3d6f8f
Sakura twintail spiky  #f191b4 #4a86e0 1.15  .00 #ffe9dc ribbon     sailor     #3c4a80 #f5f0ff
Kuro   bob      blunt  #35313f #b8384a  .85  .08 #ffe9dc glasses    turtleneck #7c3b52 #c9a55a
Midori ponytail swept  #3fae7a #c98a2b 1.00  .04 #ffdfd0 band       blazer     #2f5a58 #f3b53f
Yuki   wavy     parted #cdd5e8 #8a5fd0 1.05 -.05 #ffe9dc flower     turtleneck #e9edf7 #7fa8e8
Akane  ponytail spiky  #c43c45 #8b3a2e  .88  .09 #ffdfd0 ribbon     blazer     #33374f #f4efe6
Ren    short    swept  #2f94ad #2b6f9e  .85  .06 #ffdfd0 glasses    blazer     #4b5568 #2f7fb0
Momo   buns     spiky  #f2cf6b #d0568f 1.15 -.04 #ffdfd0 pin        hoodie     #f7a8c4 #ff5d8f
"""))
TEST_CAST = tuple(read_cast("""
Sora   bob      swept  #78bdf0 #3f6fd6 1.10 -.03 #ffe9dc pin        sailor     #f6f6fb #3d6fd0
Kaede  wavy     spiky  #8c5a3c #7a4a28 1.00  .00 #ffdfd0 none       blazer     #7a3038 #e8c15a
Ruri   twintail blunt  #5a4fc4 #c24fb0 1.12  .04 #ffe9dc ribbon     turtleneck #2c2a44 #f2c94c
Taiga  short    spiky  #e9bf55 #4d8f4a  .86  .08 #eebf9c none       hoodie     #c94b3c #ffffff
Suzu   buns     parted #7fd6b8 #e0784a 1.05 -.05 #ffdfd0 band       sailor     #e8f6f0 #f08a5d
Beni   bob      messy  #d2506e #6b3fa0  .90  .05 #ffe9dc glasses    hoodie     #5a6b8c #ffd166
Gin    short    messy  #b9c0cf #3e8fa8  .88  .07 #ffe9dc headphones blazer     #2f3b4f #c94b5c
Yoru   long     blunt  #2f3350 #4a62b8 1.05  .00 #ffe9dc flower     turtleneck #b04a6a #f6c1d0
Nana   twintail swept  #ee8b4f #3f9f8f 1.10 -.03 #ffdfd0 ribbon     sailor     #fff3e0 #4fb0a0
"""))


def taste(who, expression):
    """How much the simulated person likes a character as drawn, from 1 to 5.

    It depends only on what a crop of the face shows, so that a model trained on
    one cast generalises to the other.
    """
    liking = (AVERAGE
              + COOL_HAIR * coolness(who.hair)
              + BIG_EYES * (who.eye_size - 1) / .15
              + SMILE * expression.smile
              + RIBBON * (who.extra == 'ribbon')
              + GLASSES * (who.extra == 'glasses'))
    return min(5.0, max(1.0, liking))


def coolness(paint):
    """From -1 for strong reds and oranges through 0 for greys to 1 for azure."""
    red, green, blue = (int(paint[i:i + 2], 16) / 255 for i in (1, 3, 5))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return math.cos(2 * math.pi * (hue - 200 / 360)) * min(1, 1.6 * saturation)
