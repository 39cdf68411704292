"""The page on a phone: the address of this machine on its network, and a QR code to scan."""
import socket
from typing import TextIO

import segno

from picture_ranknet.errors import InputError

OUTSIDE = '192.0.2.1', 9  # TEST-NET-1 of RFC 5737, unassigned; nothing is sent there
MARGIN = 2                # modules; the standard requires 4, but phones read it with 2
BLACK_ON_WHITE, AS_BEFORE = '\x1b[38;5;16;48;5;231m', '\x1b[0m'
WARNING = ('warning: anyone on this network who has this address can see and rate your pictures, '
           'and the connection is not encrypted; do this at home only')
BLOCKS = ' ', '▄', '▀', '█'  # by which of two modules, one above the other, are dark


def find_address() -> str:
    """The address of this machine on its local network.

    Raises:
        InputError: If it is not on a network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(OUTSIDE)  # only asks which of the machine's addresses would be used
            return probe.getsockname()[0]
        except OSError as e:
            raise InputError('--share: this machine is not on a network; connect it to that of '
                             'your phone, or give the address, --share ADDRESS') from e


def draw_code(text: str) -> str:
    """A QR code for a terminal, dark on light whatever the terminal's colours are.

    Args:
        text: Its content.

    Returns:
        Lines of block elements, two rows of modules each, with colours.
    """
    code = segno.make(text, error='l', micro=False)
    rows = [list(row) for row in code.matrix_iter(border=MARGIN)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    lines = [''.join(BLOCKS[2 * above + below] for above, below in zip(*pair))
             for pair in zip(rows[::2], rows[1::2])]
    return ''.join(f'{BLACK_ON_WHITE}{line}{AS_BEFORE}\n' for line in lines)


def invitation(url: str, stream: TextIO) -> str:
    """The QR code of an address, for a terminal that can show it; else nothing.

    Args:
        url: The address.
        stream: Text stream that it will be printed to.
    """
    code = draw_code(url) if stream.isatty() else ''
    try:
        code.encode(stream.encoding or 'ascii')
    except UnicodeEncodeError:
        return ''  # a terminal without block elements: the address will do
    return code
