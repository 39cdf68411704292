"""Training a face cascade: samples, boosting, and the network that checks its findings."""
