"""What makes the demo run with no account: an ERP server and an archive generator with known truth."""
