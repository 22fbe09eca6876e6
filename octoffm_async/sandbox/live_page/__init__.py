"""The page that shows a running sandbox."""
