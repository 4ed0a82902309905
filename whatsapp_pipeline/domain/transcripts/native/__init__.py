"""WhatsApp's own exports: the text of Android's and iOS's "Export chat"."""
