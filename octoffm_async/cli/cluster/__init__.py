"""The commands of ``octoffm cluster``."""
