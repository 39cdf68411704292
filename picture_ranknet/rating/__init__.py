"""Rating pictures: one by one or in pairs in the browser, or from click statistics.

A :class:`~picture_ranknet.rating.journal.Journal` stores a person's answers; a
:class:`~picture_ranknet.rating.stars.StarSession` or
:class:`~picture_ranknet.rating.pairs.PairSession` adds to it and chooses what
comes next; a :class:`~picture_ranknet.rating.server.Server` shows that to the
person::

    X = arrays.read_pictures('X.npy')
    with Journal('ratings.txt', len(X), identify(X)) as journal:
        session = StarSession(X, journal)
        with session, Server(session, 'X.npy') as server:
            print(server.url)
            server.wait()

``gaussian_process`` and ``bradley_terry`` are the mathematics behind the two sessions;
``clicks`` needs no browser.
"""
