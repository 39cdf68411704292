"""Networks besides the article's, model files, and scoring and explaining with trained models."""
