"""What holds for every file of the house; the directions of its imports are import-linter's."""
import ast
import subprocess
import sys

import pytest

COMMANDS = 'crop_faces', 'rate', 'train', 'predict', 'train_cascade'
COMPAT = 'picture_ranknet.machine.chainer_compat'


def modules(root):
    return [*root.glob('*.py'), *root.glob('picture_ranknet/**/*.py')]


def imports(path):
    """The (line, name) of each module that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module


def test_chainer_compat_is_imported_right_before_chainer_and_by_nothing_else(root):
    for path in [*modules(root), *root.glob('tests/**/*.py'), *root.glob('benchmarks/*.py')]:
        if path.name == 'test_chainer_compat.py':
            continue
        found = sorted(imports(path))
        first = min((line for line, name in found if name.split('.')[0] == 'chainer'), default=None)
        compat = [line for line, name in found if name == COMPAT]
        assert compat == ([first - 1] if first else []), path


def test_every_module_says_what_it_is_for(root):
    for path in modules(root):
        text = path.read_text(encoding='utf-8')
        assert not text or ast.get_docstring(ast.parse(text)), path


def test_a_file_of_over_400_lines_says_why(root):
    listed = subprocess.run(['git', 'ls-files', '*.py', '*.js', '*.css', '*.html'], cwd=root,
                            capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('is no checkout')
    for name in filter(None, listed.stdout.split('\n')):
        text = (root / name).read_text(encoding='utf-8')
        if text.count('\n') > 400:
            assert name.endswith('.py') and 'Over 400 lines: ' in ast.get_docstring(
                ast.parse(text)), name


@pytest.mark.parametrize('command', COMMANDS)
def test_a_command_is_a_parser_and_a_main(root, command):
    tree = ast.parse((root / (command + '.py')).read_text(encoding='utf-8'))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {'build_parser', 'main'} <= names


def test_help_waits_for_no_heavy_library(root):
    script = f'import sys\nfor name in {COMMANDS}: __import__(name).build_parser().format_help()\n'
    done = subprocess.run([sys.executable, '-c', script + 'print(*sys.modules)'], cwd=root,
                          check=True, capture_output=True, encoding='utf-8')
    heavy = {'numpy', 'chainer', 'cv2', 'PIL', 'numba', 'av', 'tqdm', 'http.server', 'sqlite3'}
    assert 'picture_ranknet.console.options' in done.stdout.split()
    assert heavy.isdisjoint(done.stdout.split())
