"""From scores and truth to numbers, and a report that shows them."""
