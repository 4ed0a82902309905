"""The cost of evaluating every check over ten years."""
