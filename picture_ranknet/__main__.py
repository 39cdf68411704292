"""All commands under one name: ``picture-ranknet crop|rate|train|predict|cascade``.

``python -m picture_ranknet`` is the same.
"""
import importlib
import sys
from typing import Optional

COMMANDS = {
    'crop': ('crop_faces', 'crop the faces in videos and pictures'),
    'rate': ('rate', 'rate pictures in the browser'),
    'train': ('train', 'learn a taste from rated pictures'),
    'predict': ('predict', 'score and rank pictures with a trained model'),
    'cascade': ('train_cascade', 'train a face detector of your own')}
USAGE = f'usage: picture-ranknet {{{",".join(COMMANDS)}}} ...'


def main(argv: Optional[list[str]] = None) -> None:
    """Run one command.

    Args:
        argv: Its name, then its options; ``None`` takes them from the command
            line.
    """
    name, *options = (sys.argv[1:] if argv is None else argv) or ['']
    if name in ('-h', '--help'):
        print(USAGE + '\n')
        for command, (_, purpose) in COMMANDS.items():
            print(f'  {command:9}{purpose}')
        print('\nsee also: picture-ranknet COMMAND --help')
    elif name not in COMMANDS:
        got = repr(name) if name else 'nothing'
        print(f'{USAGE}\npicture-ranknet: error: expected one of these commands, got {got}',
              file=sys.stderr)
        sys.exit(2)
    else:
        module, _ = COMMANDS[name]
        sys.argv[0] = f'{module}.py'  # the name in front of its error messages
        importlib.import_module(module).main(options)


if __name__ == '__main__':
    main()
