"""Why the format of a trial loses: its network again, with errors switched off one by one."""
