"""Accuracy of reading and finding messages, on labelled files from elsewhere."""
