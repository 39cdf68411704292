"""Training a face cascade: samples, boosting, and the network that verifies its detections."""
