"""The command ``octoffm demo``: the main job on the embedded sandbox."""
