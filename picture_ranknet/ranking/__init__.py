"""What is done with scores: files and folders scored, stars, galleries, sorting, sidecars."""
