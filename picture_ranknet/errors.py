"""What a command says in one line instead of a traceback."""



class InputError(Exception):

    """Something that a person gave us is not what the command can work with."""
