"""Finding faces in frames, choosing the best of them, and storing what a run has found."""
