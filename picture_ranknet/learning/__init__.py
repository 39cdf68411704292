"""Training a ranker: batches, augmentation, the training loop, validation and the report."""
