"""What it takes to get a month as a DataFrame and a million messages as a file."""
