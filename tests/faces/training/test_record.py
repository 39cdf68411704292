"""What the file of a cascade says of its training."""
import numpy as np
import pytest

from picture_ranknet.errors import InputError
from picture_ranknet.faces.training import lbp_file, record
from picture_ranknet.faces.training.samples import Scene
from support.lbp_samples import draw_cascade


def test_the_fingerprint_differs_for_other_pictures_and_options():
    patches = np.zeros((3, 5, 5), np.uint8)
    scene = Scene(np.zeros((4, 4), np.uint8), np.zeros((1, 4)))
    options = {'size': (24, 24), 'seed': 0, 'turn': 20.}

    def line(patches=patches, scene=scene, **changed):
        return record.fingerprint(patches, [scene], {**options, **changed})

    assert line() == line() == record.fingerprint(
        patches, [scene], dict(reversed(list(options.items()))))
    others = [line(size=(24, 25)), line(seed=1), line(turn=1.), line(patches + np.uint8(1)),
              line(scene=scene._replace(gray=scene.gray + np.uint8(1))),
              line(scene=scene._replace(boxes=scene.boxes + 1))]
    assert len({line(), *others}) == 7


def test_the_description_is_read_back_on_resuming(tmp_path):
    path = str(tmp_path / 'c.xml')
    cascade = draw_cascade(np.random.default_rng(0), [2, 3])
    comment = record.describe(cascade, 60, 25, .98, 1.2e-5, 'train_cascade.py c.xml --x',
                              'Samples: 0123')
    lbp_file.write(path, cascade, comment)
    again, false_alarm = record.read_stages(path, (24, 24), 'Samples: 0123')
    assert len(again.stages) == 2 and false_alarm == 1.2e-5
    with pytest.raises(InputError, match='expected stages trained on these pictures with these'):
        record.read_stages(path, (24, 24), 'Samples: 01')


def test_a_file_that_is_no_cascade_is_not_resumed(tmp_path):
    with pytest.raises(InputError, match='expected a cascade of LBP features'):
        (tmp_path / 'c.xml').write_text('<opencv_storage/>')
        record.read_stages(str(tmp_path / 'c.xml'), (24, 24), 'Samples: 0')
    assert record.read_stages(str(tmp_path / 'd.xml'), (9, 12), '')[0].width == 9
