"""Steps for links of chats to contacts and of sessions to orders."""
