"""Learn one person's taste in pictures: the rooms behind the commands.

Data passes through them in this order: ``pictures`` and ``faces`` (what to
rate), ``rating``, ``learning``, ``models``, ``ranking``.
"""
