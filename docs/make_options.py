"""Write docs/options.md from the parsers of the commands: ``python docs/make_options.py``."""
import argparse
import importlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMANDS = 'crop_faces', 'rate', 'train', 'predict', 'train_cascade'
HEAD = """# Options

Generated from the parsers by `python docs/make_options.py`; `--help` of a command shows the same.
"""


def render() -> str:
    """The whole page, in Markdown."""
    return '\n'.join([HEAD, *map(_render_command, COMMANDS)])


def _render_command(command: str) -> str:
    parser = importlib.import_module(command).build_parser()
    lines = [f'## {command}.py', '', parser.description, '']
    lines += ['| option | default | meaning |', '|---|---|---|']
    lines += [_render_action(action) for action in parser._actions
              if not isinstance(action, argparse._HelpAction)]
    return '\n'.join(lines) + '\n'


def _render_action(action: argparse.Action) -> str:
    names = ', '.join(f'`{name}`' for name in action.option_strings) or f'`{_value(action)}`'
    if action.option_strings and action.nargs != 0:
        names += f' `{_value(action)}`'
    default = action.default
    is_silent = default is None or default is False or default in (argparse.SUPPRESS, [])
    shown = '' if is_silent else f'`{default}`'
    text = (action.help or '') % {**vars(action), 'default': default}
    cells = (cell.replace('|', r'\|') for cell in (names, shown, text))
    return '| ' + ' | '.join(cells) + ' |'


def _value(action: argparse.Action) -> str:
    if action.choices:
        return '{' + ','.join(map(str, action.choices)) + '}'
    name = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if isinstance(name, tuple):
        return ' '.join(name)
    return name + (' ...' if action.nargs in ('+', '*') else '')


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    (ROOT / 'docs' / 'options.md').write_text(render(), encoding='utf-8')
