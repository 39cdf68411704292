"""No command writes over what it reads, or twice to one file: every pair of options is tried."""
import importlib
import itertools
import os

import numpy as np
import pytest
from PIL import Image

# What each command writes and reads, by option; a name's ending is one that the option takes.
# Folders are of their own: outputs that are folders may not be, or hold, another file.
WRITTEN = {
    'crop_faces': {'--output': 'npy', '--sheet': 'png', '--review': 'png'},
    'rate': {'ratings': 'txt'},
    'train': {'--output_pred': 'txt', '--output_model': 'txt'},
    'predict': {'--output': 'txt', '--csv': 'csv', '--strip': 'png', '--explain': 'png'},
    'train_cascade': {'XML': 'xml'},
}
READ = {
    'crop_faces': {'source', '--cascade', '--ratings'},
    'rate': {'pictures', '--model', '--clicks'},
    'train': {'X_train_npy', 'rank_file', '--features', '--initmodel', '--unrated', '--resume',
              '--valid', '--valid_features', '--pretrained'},
    'predict': {'model_pkl', 'pictures', '--ensemble', '--pretrained', '--features', '--ratings'},
    'train_cascade': {'--faces', '--no_faces'},
}
FOLDERS = {
    'crop_faces': {'--crops', '--dropped'},
    'train': {'--out'},
    'predict': {'--gallery', '--sort_into', '--undo_move'},
}
PATHS = {'NPY', 'PNG', 'DIR', 'TXT', 'CSV', 'PKL', 'XML', 'ONNX', 'MODEL', 'SNAPSHOT', 'PATH',
         ('X_NPY', 'RATINGS'), 'source', 'pictures', 'ratings', None}
ALONE = {('crop_faces', '--review'): {'--cascade', 'source'},  # never together, or refused
         ('crop_faces', '--sheet'): {'--review'},               # for another reason
         ('predict', '--strip'): {'pictures'}, ('predict', '--explain'): {'pictures'}}
NEEDED = {  # what each command is given besides the pair
    'crop_faces': {'source': ['a.png'], '--no_faces': [], '--force': []},
    'rate': {'pictures': ['X.npy'], 'ratings': ['r.txt'], '--no_browser': []},
    'train': {'X_train_npy': ['X.npy'], 'rank_file': ['r.txt']},
    'predict': {'model_pkl': ['m.pkl'], 'pictures': ['X.npy']},
    'train_cascade': {'XML': ['c.xml'], '--faces': ['a.png'], '--no_faces': ['b.png'],
                      '--force': []},
}


def names(action):
    return {option for option in action.option_strings if option.startswith('--')} or {
        action.metavar or action.dest}


@pytest.mark.parametrize('command', WRITTEN)
def test_every_option_that_names_a_file_is_tried(command):
    parser = importlib.import_module(command).build_parser()
    named = set().union(*(
        names(action) for action in parser._actions
        if action.nargs != 0 and action.choices is None and action.metavar in PATHS
        and (action.metavar or not action.option_strings)))
    assert named == {*WRITTEN[command], *READ[command], *FOLDERS.get(command, ())}


def pairs():
    for command, written in WRITTEN.items():
        tried = [(option, other, written[option])
                 for option, other in itertools.product(written, sorted(READ[command]))]
        for option, other in itertools.combinations(written, 2):
            endings = {written[option], written[other]}
            if len(endings) == 1 or 'txt' in endings:  # .txt is a mere custom
                tried.append((option, other, min(endings, key='txt'.__eq__)))
        yield from ((command, *pair) for pair in tried
                    if pair[1] not in ALONE.get((command, pair[0]), ()))


def arguments(command, chosen):
    given = {**NEEDED[command], **chosen}
    if '--review' in given or '--drop' in given:
        del given['source'], given['--no_faces']
    if '--append' in given:
        del given['--force']
    if '--valid_features' in given:
        given.update({'--valid': ['V.npy'], '--features': ['F.npy']})
    words = []
    for option, values in given.items():
        if option == '--valid':
            values = [*values, 'v.txt']
        words += [option, *values] if option.startswith('--') else []
    places = [value for option, values in given.items() if not option.startswith('--')
              for value in values]
    return [*places, *words]


@pytest.mark.parametrize('command, option, other, ending', [*pairs()])
def test_no_output_is_an_input_or_another_output(run_here, tmp_path, command, option, other,
                                                 ending):
    np.save(tmp_path / 'X.npy', np.zeros((3, 3, 8, 8), np.uint8))
    for name in 'a.png', 'b.png':
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    same = 'same.' + ending
    if other in ('source', '--faces', '--no_faces'):
        Image.new('RGB', (8, 8)).save(tmp_path / same, 'PNG')
    elif other in ('pictures', 'X_train_npy') or option == '--output' and ending == 'npy':
        with open(tmp_path / same, 'wb') as f:
            np.save(f, np.zeros((3, 3, 8, 8), np.uint8))
    else:
        (tmp_path / same).write_text('mine')
    chosen = {option: [same], other: [os.path.join('.', same)]}
    if command == 'crop_faces' and other == '--ratings':
        chosen.update({'--drop': ['0']} if option == '--review' else {'--append': []})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run_here(command + '.py', *arguments(command, chosen))
    assert done.returncode == 1, done
    line, = done.stderr.splitlines()
    assert line.startswith(f'{command}.py: error: ') and same in line
    assert 'would overwrite' in line or 'would write to this file' in line or 'is read' in line
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
