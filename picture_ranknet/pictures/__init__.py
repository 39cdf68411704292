"""Reading videos and pictures, describing what they look like, and drawing sheets of them."""
