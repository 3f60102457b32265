"""What a figure is: areas and rates over ranked items, and their intervals; training and evaluation share them."""
