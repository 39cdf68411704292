"""Learn one person's taste in pictures: the rooms behind the commands.

The data passes through them in this order: ``pictures`` and ``faces`` (what to
rate), ``rating``, ``learning``, ``models``.
"""
