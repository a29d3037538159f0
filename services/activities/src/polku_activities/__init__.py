"""Sessions of a programme and who attended them."""
