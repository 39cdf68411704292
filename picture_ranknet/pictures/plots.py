"""Drawings for people: what the other rooms and the commands use of this one."""
from picture_ranknet.pictures.curves import label_curves
from picture_ranknet.pictures.drawing import to_image
from picture_ranknet.pictures.explanations import draw_explanations
from picture_ranknet.pictures.sheets import draw_sheet
from picture_ranknet.pictures.strips import Strip, draw_ranking, draw_strips

__all__ = ['Strip', 'draw_explanations', 'draw_ranking', 'draw_sheet', 'draw_strips',
           'label_curves', 'to_image']
