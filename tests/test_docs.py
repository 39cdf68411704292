"""What the README and the pages of docs/ say is so."""
import importlib
import importlib.util
import re
import shutil

import pytest

COMMANDS = ['crop_faces', 'rate', 'train', 'predict', 'train_cascade']


def pages(root):
    return [root / 'README.md', root / 'README.ja.md', root / 'CHANGELOG.md',
            *sorted(root.glob('docs/*.md'))]


@pytest.fixture
def readme(root):
    return (root / 'README.md').read_text(encoding='utf-8')


def option_names(command):
    parser = importlib.import_module(command).build_parser()
    return {option for action in parser._actions for option in action.option_strings
            if option.startswith('--')} - {'--help'}


def test_the_readme_is_short(readme):
    assert len(readme.splitlines()) <= 150


def test_the_page_of_options_is_that_of_the_parsers(root):
    spec = importlib.util.spec_from_file_location('make_options', root / 'docs/make_options.py')
    make_options = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_options)
    assert (root / 'docs/options.md').read_text(encoding='utf-8') == make_options.render(), (
        'stale: run python docs/make_options.py')


@pytest.mark.parametrize('name', ['README.md', 'README.ja.md'])
@pytest.mark.parametrize('command', COMMANDS[:4])
def test_every_command_line_of_the_readme_is_understood(root, command, name):
    text = (root / name).read_text(encoding='utf-8').replace('\\\n', ' ')
    lines = re.findall(rf'^python {command}\.py (.+?)(?: +#.*)?$', text, re.M)
    assert lines
    for line in lines:
        importlib.import_module(command).build_parser().parse_args(line.split())


def test_options_that_the_pages_name_exist(root):
    known = set().union(*map(option_names, COMMANDS))
    others = {  # of make, pip, mpiexec and our benchmarks
        re.match(r'--[\w-]+', option)[0]
        for path in [*root.glob('benchmarks/*.py'), root / 'Makefile']
        for option in re.findall(r'--[\w-]+', path.read_text(encoding='utf-8'))}
    others |= {'--no-build-isolation', '--force-reinstall', '--no-deps', '--allow-run-as-root',
               '--oversubscribe', '--help', '--only-binary'}
    for path in [root / 'README.md', root / 'README.ja.md', *root.glob('docs/*.md')]:
        for option in re.findall(r'(?<![\w-])--[a-z][\w-]*', path.read_text(encoding='utf-8')):
            assert option in known | others, f'{path.name} names {option}'


@pytest.mark.parametrize('command', COMMANDS)
def test_help_shows_every_option(run, command):
    done = run(command + '.py', '--help')
    assert done.returncode == 0 and done.stderr == ''
    for option in option_names(command):
        assert option in done.stdout


def test_the_architecture_names_every_room(root):
    text = (root / 'docs/architecture.md').read_text(encoding='utf-8')
    rooms = [path.name for path in (root / 'picture_ranknet').iterdir()
             if (path / '__init__.py').exists()]
    assert rooms and all(f'| `{room}` |' in text for room in rooms)


def test_files_and_folders_of_code_that_the_pages_name_exist(root):
    places = [root, root / 'picture_ranknet']
    for path in pages(root):
        text = path.read_text(encoding='utf-8')
        for name in re.findall(r'`(\w+/(?:[\w/]+\.(?:py|js|css))?)`', text):
            if name not in ('demo/', 'result/'):  # made by commands
                assert any((place / name).exists() for place in places), f'{path.name}: {name}'


def test_links_lead_somewhere(root):
    for path in pages(root):
        for target in re.findall(r'\]\((?!https?:|#)([^)#]+)', path.read_text(encoding='utf-8')):
            assert (path.parent / target).exists(), f'{path.name}: {target}'


def test_commands_of_the_pages_exist(root):
    for path in pages(root):
        for name in re.findall(r'python ((?:benchmarks|docs|examples)/\w+\.py)',
                               path.read_text(encoding='utf-8')):
            assert (root / name).exists(), f'{path.name}: {name}'


def test_make_targets_exist(readme, root):
    makefile = (root / 'Makefile').read_text(encoding='utf-8')
    for target in re.findall(r'`make (\w+)`|^make (\w+)', readme, re.M):
        assert re.search(f'^{"".join(target)}:', makefile, re.M)


def test_the_lines_for_python_work(root, rated_files, monkeypatch):
    blocks = re.findall(r'```python\n(.*?)```', (root / 'docs/api.md').read_text(), re.S)
    crop, train, step_by_step = blocks
    monkeypatch.chdir(rated_files)
    shutil.copy('X.npy', 'X_test.npy')
    names = {}
    exec(train, names)
    assert sorted(names['order']) == list(range(30))
    exec(step_by_step.replace('n_iter=300', 'n_iter=3'), names)
    exec(crop.split('\n\n')[0], names)  # its imports; films are cropped in other tests
