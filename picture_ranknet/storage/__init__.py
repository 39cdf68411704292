"""What lies on disk: arrays, ratings, tables, picture sets, and how they are written safely."""
