"""What evaluating every check over ten years costs."""
