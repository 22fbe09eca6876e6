"""The commands of ``octoffm jobs``: what a journal knows, and what a person does about it."""
