"""What README.md says is so."""
import importlib
import re

import pytest

COMMANDS = ['crop_faces', 'rate', 'train', 'predict', 'train_cascade']


@pytest.fixture
def readme(root):
    return (root / 'README.md').read_text(encoding='utf-8')


def options(command):
    parser = importlib.import_module(command).build_parser()
    return {option for action in parser._actions for option in action.option_strings
            if option.startswith('--')} - {'--help'}


def section(readme, title):
    return re.search(r'^#+ {}\n(.*?)(?=^## |\Z)'.format(re.escape(title)), readme, re.M | re.S)[1]


def test_every_option_is_in_the_readme(readme):
    described = set(re.findall(r'`(--\w+)', section(readme, 'Options')))
    assert described == set().union(*map(options, COMMANDS))


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_line_of_the_readme_is_understood(readme, command):
    lines = re.findall(r'^(?:\$ )?python {}\.py (.+?)(?: *#.*)?$'.format(command),
                       readme.replace('\\\n', ' '), re.M)
    assert lines or command == 'train_cascade'  # whose line stands in the text
    for line in lines:
        importlib.import_module(command).build_parser().parse_args(line.split())


@pytest.mark.parametrize('command', COMMANDS)
def test_help_shows_every_option(run, command):
    done = run(command + '.py', '--help')
    assert done.returncode == 0 and done.stderr == ''
    for option in options(command):
        assert option in done.stdout


def test_the_drawing_names_every_module(readme, root):
    drawing = section(readme, 'How it works')
    for path in root.glob('*.py'):
        if path.name != 'setup.py':
            assert path.name in drawing


def test_links_lead_somewhere(readme, root):
    for target in re.findall(r'\]\((?!https?:|#)([^)#]+)', readme):
        assert (root / target).exists(), target


def test_make_targets_exist(readme, root):
    makefile = (root / 'Makefile').read_text(encoding='utf-8')
    for target in re.findall(r'`make (\w+)`|^make (\w+)', readme, re.M):
        assert re.search('^{}:'.format(''.join(target)), makefile, re.M)
