"""Rating pictures: one by one or in pairs in the browser, or from click statistics.

:func:`.browser.rate` puts the parts together::

    from picture_ranknet.rating import browser

    browser.rate('X.npy', 'ratings.txt', show=print)

A :class:`.journal.Journal` keeps what a person says; a :class:`.stars.StarSession`
or :class:`.pairs.PairSession` adds to it and chooses what comes next; a
:class:`.server.Server` shows that to the person.  ``gaussian_process`` and
``bradley_terry`` are the mathematics behind the two sessions; ``clicks`` needs
neither person nor browser.
"""
