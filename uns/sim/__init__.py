"""A simulated plant: real protocol servers whose machines behave, and the truth about them."""
