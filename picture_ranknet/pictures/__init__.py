"""Reading videos and pictures, describing their appearance, and drawing sheets of them."""
