"""What people look at in the morning: events with their pictures, and what they say of them."""
