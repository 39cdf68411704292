"""The commands under one name: ``picture-ranknet crop|rate|train|predict|cascade``."""
import importlib
import sys

COMMANDS = {
    'crop': 'crop_faces', 'rate': 'rate', 'train': 'train', 'predict': 'predict',
    'cascade': 'train_cascade'}
USAGE = f'usage: picture-ranknet {{{",".join(COMMANDS)}}} ...'


def main(argv: list = None) -> None:
    """Run one of the commands; ``argv`` holds its name and its options."""
    name, *options = (sys.argv[1:] if argv is None else argv) or ['']
    if name in ('-h', '--help'):
        print(f'{USAGE}\n\nEach has a --help of its own.')
    elif name not in COMMANDS:
        print(f'{USAGE}\npicture-ranknet: error: expected one of these commands, got {name!r}',
              file=sys.stderr)
        sys.exit(2)
    else:
        sys.argv[0] = COMMANDS[name] + '.py'  # the name that its messages give
        importlib.import_module(COMMANDS[name]).main(options)


if __name__ == '__main__':
    main()
