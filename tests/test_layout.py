"""The floor plan of the README: imports point down only."""
import ast

import pytest

FLOORS = [
    {'crop_faces', 'rate', 'train', 'predict', 'train_cascade'},   # commands
    {'trainer', 'pretext', 'report', 'explain', 'face_finder', 'face_choice',
     'face_samples', 'rate_server'},                               # what they do at length
    {'face_check', 'rate_session'},                                # a second look; a person at work
    {'model_file', 'pretrained', 'media', 'face_store', 'picture_set',
     'rating_journal', 'clicks'},                                  # what is read, written
    {'net', 'fused_adam', 'parallel', 'plots', 'cli', 'lbp_cascade'},  # networks, pictures, edge
    {'conv_pool', 'ranks'},                                        # fast layers; several processes
    {'kernels', 'threads', 'augment', 'metrics', 'files', 'chainer_compat', 'descriptor',
     'rating_order', 'comparisons', 'pickle_reader', 'npz_reader',
     'cascade_file'},                                              # leaves
]
MODULES = sorted(set().union(*FLOORS))


def imports(path):
    """The (line, name) of each module that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split('.')[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module.split('.')[0]


def floor_of(module):
    return next(n for n, floor in enumerate(FLOORS) if module in floor)


def test_every_module_has_its_place(root):
    found = {path.stem for path in root.glob('*.py')} - {'setup'}
    assert found == set(MODULES)


@pytest.mark.parametrize('module', MODULES)
def test_imports_point_down(root, module):
    for _, name in imports(root / (module + '.py')):
        if name in MODULES:
            assert floor_of(name) > floor_of(module), '{} imports {}'.format(module, name)


def test_chainer_compat_is_imported_right_before_chainer_and_by_nothing_else(root):
    for path in [*root.glob('*.py'), *root.glob('tests/*.py'), *root.glob('benchmarks/*.py')]:
        lines = dict((line, name) for line, name in sorted(imports(path), reverse=True))
        first = min((line for line, name in lines.items() if name == 'chainer'), default=None)
        compat = [line for line, name in lines.items() if name == 'chainer_compat']
        if path.name == 'test_chainer_compat.py':
            continue
        assert compat == ([first - 1] if first else []), path.name


@pytest.mark.parametrize('module', MODULES)
def test_a_module_says_what_it_is_for(root, module):
    tree = ast.parse((root / (module + '.py')).read_text(encoding='utf-8'))
    assert ast.get_docstring(tree)


@pytest.mark.parametrize('command', sorted(FLOORS[0]))
def test_a_command_fits_the_house(root, command):
    tree = ast.parse((root / (command + '.py')).read_text(encoding='utf-8'))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {'build_parser', 'main'} <= names
