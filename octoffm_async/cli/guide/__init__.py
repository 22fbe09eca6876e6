"""The command ``octoffm guide``."""
